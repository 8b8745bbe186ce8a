package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const managed = "journal: {min_free: \"0\"}\nsources: [{name: demo, provider: hmac, secrets: [env:hmac]}]\n"

// ask makes a call on the admin port. header is "Name: value" lines.
func (b *bridge) ask(method, path, body string, header ...string) (status int, text string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.at.Admin+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := poster.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	// protojson puts spaces in at random.
	if json.Valid(all) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, all); err != nil {
			b.t.Fatal(err)
		}
		all = compact.Bytes()
	}
	return resp.StatusCode, strings.TrimSpace(string(all))
}

const asJSON = "Content-Type: application/json"

// Everything that manages subscriptions is JSON on the admin port, too; the answers are those of gRPC.
func TestSubscriptionsAreManagedAsJSON(t *testing.T) {
	b := open(t, managed, nil)
	for n := range 3 {
		b.mustStore("demo", "", "", userCreated(n))
	}
	const none = `{"code":5,"message":"there is no subscription \"a\"","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SUBSCRIPTION_NOT_FOUND","domain":"hookbridge"}]}`
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string // a part
	}{
		{"GET", "/v1/subscriptions/a", "", 404, none},
		{"GET", "/v1/subscriptions", "", 200, `{}`},
		{"POST", "/v1/subscriptions", `{"subscription":{"name":"a","filter":{"types":["user_*"]},"max_attempts":3},"start":{"beginning":{}}}`, 200,
			`{"subscription":{"name":"a","filter":{"types":["user_*"]},"max_attempts":3,"created_at":`},
		{"POST", "/v1/subscriptions", `{"subscription":{"name":"a"}}`, 409, `"reason":"SUBSCRIPTION_EXISTS"`},
		{"POST", "/v1/subscriptions", `{"subscription":{"name":"A"}}`, 400, `"reason":"INVALID_ARGUMENT"`},
		{"POST", "/v1/subscriptions", `{"subscription":{"colour":"red"}}`, 400, `unknown field \"colour\"`},
		{"GET", "/v1/subscriptions/a", "", 200, `"status":{"position":"1","journal_end":"4","lag_events":"3","lag_is_upper_bound":true,`},
		{"PATCH", "/v1/subscriptions/a", `{"subscription":{"max_attempts":5},"update_mask":"maxAttempts"}`, 200, `"max_attempts":5`},
		{"POST", "/v1/subscriptions/a/pause", "", 200, `{}`},
		{"GET", "/v1/subscriptions", "", 200, `"paused":true`},
		{"POST", "/v1/subscriptions/a/resume", `{}`, 200, `{}`},
		{"POST", "/v1/subscriptions/a/seek", `{"target":{"sequence":"3"}}`, 200, `{"position":"3"}`},
		{"POST", "/v1/subscriptions/a/seek", `{"target":{"now":{}}}`, 200, `{"position":"4"}`},
		{"GET", "/v1/subscriptions/a/dead-letters?page_size=5", "", 200, `{}`},
		{"POST", "/v1/subscriptions/a/dead-letters/redrive", `{"selection":{"all":{}}}`, 200, `{}`},
		{"POST", "/v1/subscriptions/a/dead-letters/purge", `{"selection":{"ids":{"ids":["1"]}}}`, 200, `{}`},
		{"POST", "/v1/subscriptions/a/replay", `{"max_events_per_second":1}`, 200, `"from_sequence":"1","to_sequence":"4","next_sequence":"1"`},
		{"POST", "/v1/subscriptions/a/replay", `{}`, 409, `"reason":"REPLAY_RUNNING"`},
		{"DELETE", "/v1/subscriptions/a/replay", "", 200, `"max_events_per_second":1`},
		{"DELETE", "/v1/subscriptions/a/replay", "", 404, `"reason":"REPLAY_NOT_FOUND"`},
		{"DELETE", "/v1/events/2", "", 200, `{"sequence":"2"}`},
		{"DELETE", "/v1/sources/demo/events/nobody", "", 404, `"reason":"EVENT_NOT_FOUND"`},
		{"DELETE", "/v1/subscriptions/a?force=true", "", 400, `"message":"force: there is no such query parameter"`},
		{"GET", "/v1/events?page_size=2&source=demo", "", 400, `"message":"source: there is no such query parameter; did you mean \"filter.sources\"?"`},
		{"GET", "/v1/events?page_size=2&filter.sources=demo", "", 200, `"source":"demo"`},
		{"DELETE", "/v1/subscriptions/a", "", 200, `{}`},
		{"DELETE", "/v1/subscriptions/a", "", 404, none},
		{"POST", "/v1/events/1", "", 405, `"there is no POST /v1/events/1"`},
		{"POST", "/v1/nothing", "", 404, `"code":5`},
		{"PUT", "/v1/subscriptions/a", "", 405, `Method Not Allowed`},
	} {
		status, text := b.ask(tc.method, tc.path, tc.body, asJSON)
		if status != tc.status || !strings.Contains(text, tc.want) {
			t.Errorf("%s %s %s: %d %s\nwant %d and %s", tc.method, tc.path, tc.body, status, text, tc.status, tc.want)
		}
	}
}

// No page of another site can change anything, and nobody by accident.
func TestChangesOnTheAdminPortAreGuarded(t *testing.T) {
	b := open(t, managed, nil)
	if status, text := b.ask("POST", "/v1/subscriptions", `{"subscription":{"name":"a"}}`, asJSON); status != 200 {
		t.Fatalf("create: %d %s", status, text)
	}
	const kind = `{"code":3,"message":"a change wants Content-Type: application/json","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_MEDIA_TYPE","domain":"hookbridge"}]}`
	const foreign = "this listener doesn't answer to pages of other sites"
	for _, tc := range []struct {
		name         string
		method, path string
		header       []string
		body         string
		status       int
		want         string
	}{
		{"a form", "POST", "/v1/subscriptions/a/pause", []string{"Content-Type: text/plain"}, "{}", 415, kind},
		{"no type", "POST", "/v1/subscriptions/a/pause", nil, "{}", 415, kind},
		{"no type and no body", "POST", "/v1/subscriptions/a/pause", nil, "", 415, kind},
		{"a form that deletes", "DELETE", "/v1/subscriptions/a", []string{"Content-Type: application/x-www-form-urlencoded"}, "a=b", 415, kind},
		{"PATCH", "PATCH", "/v1/subscriptions/a", []string{"Content-Type: application/merge-patch+json"}, "{}", 415, kind},
		{"another origin", "POST", "/v1/subscriptions/a/pause", []string{asJSON, "Origin: https://evil.example"}, "{}", 403, foreign},
		{"another origin deletes", "DELETE", "/v1/subscriptions/a", []string{"Origin: http://" + b.at.HTTP}, "", 403, foreign},
		{"no origin to speak of", "DELETE", "/v1/subscriptions/a", []string{"Origin: null"}, "", 403, foreign},
		{"another site", "POST", "/v1/subscriptions/a/pause", []string{asJSON, "Sec-Fetch-Site: cross-site"}, "{}", 403, foreign},
		{"a sister site", "DELETE", "/v1/subscriptions/a", []string{"Sec-Fetch-Site: same-site"}, "", 403, foreign},
		{"too much", "POST", "/v1/subscriptions/a/pause", []string{asJSON}, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, 400, `{"code":3,"message":"http: request body too large"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if status, text := b.ask(tc.method, tc.path, tc.body, tc.header...); status != tc.status || text != tc.want {
				t.Errorf("want %d %s, got %d %s", tc.status, tc.want, status, text)
			}
		})
	}
	resp, err := hookbridgev1.NewSubscriptionServiceClient(b.conn).GetSubscription(t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: "a"})
	if err != nil || resp.GetSubscription().GetPaused() {
		t.Errorf("want it there and as it was, got %v, %v", resp, err)
	}
	// A page of its own may.
	if status, text := b.ask("POST", "/v1/subscriptions/a/pause", "{}", "Content-Type: application/json; charset=utf-8", "Origin: http://"+b.at.Admin, "Sec-Fetch-Site: same-origin"); status != 200 || text != "{}" {
		t.Errorf("its own page: %d %s", status, text)
	}
}

// A member's address is that of its connection.
func TestMembersAreShownWithTheirAddress(t *testing.T) {
	b := open(t, managed, nil)
	b.mustStore("demo", "", "", userCreated(1))
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "a", ClientName: "billing-1"})
	b.acknowledge("a", next().GetAckId())
	resp, err := hookbridgev1.NewSubscriptionServiceClient(b.conn).GetSubscription(t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	members := resp.GetSubscription().GetStatus().GetMembers()
	if len(members) != 1 || members[0].GetClientName() != "billing-1" || !strings.HasPrefix(members[0].GetAddress(), "127.0.0.1:") {
		t.Errorf("members are %v", members)
	}
}
