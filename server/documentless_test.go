package server_test

import (
	"net/http"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A delivery that has no JSON by design is untyped, has no data, and is read by its body and headers; also where the schema is enforced. One
// that should have JSON and has none, or has it in a field that is there twice, is undecodable: it is stored, and the sender is not refused.
func TestDeliveriesWithoutDocument(t *testing.T) {
	const (
		form = "application/x-www-form-urlencoded"
		none = "no JSON: the body is empty, or what carries its JSON is not there, not readable, or there more than once"
	)
	b := open(t, `journal: {min_free: "0"}
sources:
  - {name: push, provider: google_push, secrets: [env:google_push], validation: enforce}
  - {name: slack, provider: slack, secrets: [env:slack]}
`, nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{IncludeContent: true})
	for _, tc := range []struct {
		name, source, body string
		header             http.Header
		typ, kept          string
		state              hookbridgev1.Decoding_State
		data               bool
		violation          string
	}{
		{"an empty notification", "push", "", http.Header{"X-Goog-Channel-Id": {"c"}, "X-Goog-Message-Number": {"1"}, "X-Goog-Resource-State": {"sync"}}, "sync", "X-Goog-Channel-Id", hookbridgev1.Decoding_STATE_UNTYPED, false, ""},
		{"one with a body", "push", "{}", http.Header{"X-Goog-Channel-Id": {"c"}, "X-Goog-Message-Number": {"2"}, "X-Goog-Resource-State": {"sync"}}, "sync", "X-Goog-Channel-Id", hookbridgev1.Decoding_STATE_UNTYPED, true, ""},
		{"a slash command", "slack", "command=%2Fweather&text=94070", http.Header{"Content-Type": {form}}, "slash_command", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNTYPED, false, ""},
		{"an interaction", "slack", "payload=%7B%22type%22%3A%22block_actions%22%7D", http.Header{"Content-Type": {form}}, "block_actions", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNTYPED, true, ""},
		{"an interaction that is cut", "slack", "payload=%7B%22type%22%3A%22block_actions%22", http.Header{"Content-Type": {form}}, "unknown", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNDECODABLE, false, "not JSON: syntax error after byte 23"},
		{"one that is there twice", "slack", "payload=%7B%22type%22%3A%22block_actions%22%7D&payload=%7B%22type%22%3A%22block_actions%22%7D", http.Header{"Content-Type": {form}}, "unknown", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNDECODABLE, false, none},
		{"one that is there twice, once empty", "slack", "payload=%7B%22type%22%3A%22block_actions%22%7D&payload=", http.Header{"Content-Type": {form}}, "unknown", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNDECODABLE, false, none},
		{"one that is empty", "slack", "payload=", http.Header{"Content-Type": {form}}, "unknown", "X-Slack-Request-Timestamp", hookbridgev1.Decoding_STATE_UNDECODABLE, false, "not JSON: empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if a := b.post(tc.source, "", "", []byte(tc.body), tc.header); a.status != http.StatusOK || a.receipt.Duplicate {
				t.Fatalf("got %d %s", a.status, a.text)
			}
			e := next().GetEvent()
			if e.GetType() != tc.typ || e.GetDecoding().GetState() != tc.state || (e.GetData() != nil) != tc.data || string(e.GetContent().GetBody()) != tc.body {
				t.Errorf("got %v", e)
			}
			kept := false
			for _, h := range e.GetContent().GetHeaders() {
				kept = kept || h.GetName() == tc.kept
			}
			if !kept {
				t.Errorf("no %s in %v", tc.kept, e.GetContent().GetHeaders())
			}
			violations := ""
			for _, v := range e.GetDecoding().GetViolations() {
				violations += v.GetMessage()
			}
			if violations != tc.violation {
				t.Errorf("violations %q, want %q", violations, tc.violation)
			}
		})
	}
}
