package schema_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Every real delivery of the built-in providers has the type that its provider gave it and decodes: typed where a message claims
// the type, untyped where none does.
func TestEveryRealDeliveryDecodes(t *testing.T) {
	registry := builtin(t)
	states := map[string]map[hookbridgev1.Decoding_State]int{}
	for _, f := range sharedFixtures(t) {
		if want := namedType(t, f); f.typ != want {
			t.Errorf("%s: want type %q, got %q", f.path, want, f.typ)
		}
		want := untyped
		if _, ok := registry.Lookup(f.provider, f.typ); ok {
			want = typed
		}
		decoded := registry.Decode(f.provider, f.typ, f.document)
		if decoded.Decoding.GetState() != want {
			t.Errorf("%s (%s): want %s, got %s", f.path, f.typ, want, decoded.Decoding)
		}
		if states[f.provider] == nil {
			states[f.provider] = map[hookbridgev1.Decoding_State]int{}
		}
		states[f.provider][decoded.Decoding.GetState()]++
	}
	for key := range folders {
		if len(states[key]) == 0 {
			t.Errorf("%s: no real delivery", key)
		}
	}
	t.Logf("deliveries by provider and state: %v", states)
}

// namedType is the type that the provider gave a delivery, read from it without the provider's pack.
func namedType(t *testing.T, f fixture) string {
	t.Helper()
	var body struct {
		Type       any `json:"type"`
		Action     any `json:"action"`
		ObjectKind any `json:"object_kind"`
		EventName  any `json:"event_name"`
		Event      struct {
			Type string `json:"type"`
		} `json:"event"`
		ObjectAttributes struct {
			Action string `json:"action"`
		} `json:"object_attributes"`
	}
	if err := json.Unmarshal(f.document, &body); err != nil {
		t.Fatalf("%s: %v", f.path, err)
	}
	header := http.Header{}
	for name, value := range headersBeside(t, f.path) {
		header.Set(name, value)
	}
	text := func(v any) string { s, _ := v.(string); return s }
	switch f.provider {
	case "github":
		return strings.TrimSuffix(header.Get("X-GitHub-Event")+"."+text(body.Action), ".")
	case "gitlab":
		if kind := text(body.ObjectKind); kind != "" {
			return strings.TrimSuffix(kind+"."+body.ObjectAttributes.Action, ".")
		}
		return text(body.EventName)
	case "slack":
		if body.Event.Type != "" {
			return body.Event.Type
		}
		return text(body.Type)
	case "shopify":
		return "orders/updated"
	case "standard_webhooks":
		return "unknown"
	}
	return text(body.Type)
}

// A few by name, so that the rule above is not the only witness.
func TestTypesOfRealDeliveries(t *testing.T) {
	want := map[string]string{
		"github/issues.opened.json":                        "issues.opened",
		"github/check_run.completed.json":                  "check_run.completed",
		"github/star.deleted.json":                         "star.deleted",
		"github/gp.ping.json":                              "ping",
		"github/workflow_dispatch.payload.json":            "workflow_dispatch",
		"gitlab/docs.push.json":                            "push",
		"gitlab/scm.pull_request_reopen.json":              "merge_request.reopen",
		"gitlab/docs.note_issue.json":                      "note.create",
		"gitlab/docs.member.json":                          "user_add_to_group",
		"stripe/customer.subscription.trial_will_end.json": "customer.subscription.trial_will_end",
		"stripe/charge.dispute.funds_withdrawn.json":       "charge.dispute.funds_withdrawn",
		"slack/go.event_callback.message.json":             "message",
		"slack/go.event_callback.app_mention~4.json":       "app_mention",
		"slack/go.block_suggestion.json":                   "block_suggestion",
		"standard-webhooks/test.json":                      "unknown",
	}
	for _, f := range sharedFixtures(t) {
		name := filepath.Base(filepath.Dir(f.path)) + "/" + filepath.Base(f.path)
		if typ, ok := want[name]; ok && f.typ != typ {
			t.Errorf("%s: want type %q, got %q", name, typ, f.typ)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s: not in the collection", name)
	}
}
