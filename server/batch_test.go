package server_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// acme is a provider that sends lists, and chooses the secret itself.
const acme = `
key: acme
name: Acme
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Acme-Signature}], encoding: hex, content: "{body}"}]
bodies: [{media_type: application/json}]
batch: {events: events}
id: [{parts: [{json: id}]}, {parts: [{header: X-Acme-Delivery}]}]
type: [{parts: [{json: type}]}, {parts: [{envelope: type}]}]
occurred_at: [{json: at, unit: s}]
ordering_key: [{parts: [{json: account}]}]
stored_headers: [X-Acme-Delivery]
answers: {duplicate: {status: 208, content_type: application/json, body: '{{"again":"{json:delivery}"}}'}, failure: {status: 403, empty: true}}
handshakes:
- {method: POST, when: [{header: X-Acme-Secret}], captures: {header: X-Acme-Secret}, respond: {status: 204, headers: [{name: X-Acme-Secret, value: "{header:X-Acme-Secret}"}]}}
- {method: GET, when: [{query: challenge}], require: [{query: token, equals: right}, {query: challenge, matches: "[a-z]{1,40}"}], respond: {content_type: text/plain, body: "{value:proof}", values: [{name: proof, algorithm: hmac-sha256, encoding: hex, content: "{query:challenge}"}]}}
retries: true
evidence: [made for these tests]
`

const acmeSource = "journal: {min_free: \"0\"}\nsources: [{name: acme, provider: acme, secrets: [env:acme]}]\n"

// list is a delivery of so many events, numbered from first.
func list(first, n int) []byte {
	var events []string
	for i := first; i < first+n; i++ {
		events = append(events, fmt.Sprintf(`{"id":"e-%d","type":"made","account":"a-%d","at":17000000%02d}`, i, i%2, i%100))
	}
	return []byte(`{"delivery":"d","events":[` + strings.Join(events, ", ") + `]}`)
}

// A delivery with a list is that many events: each with its own id, body and place, in order, readable by id, and on disk.
func TestBatchBecomesItsEvents(t *testing.T) {
	b := openWith(t, acme, acmeSource, nil)
	const receipt = `{"events":[{"id":"e-1","sequence":"1","duplicate":false},{"id":"e-2","sequence":"2","duplicate":false}],"total":2,"duplicates":0}` + "\n"
	if a := b.post("acme", "", "", list(1, 2), http.Header{"X-Acme-Delivery": {"d-1"}}); a.status != 200 || a.text != receipt {
		t.Fatalf("got %d %s", a.status, a.text)
	}
	b.stop()
	b.start()
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{IncludeContent: true})
	for n := 1; n <= 2; n++ {
		e := next().GetEvent()
		want := fmt.Sprintf(`{"id":"e-%d","type":"made","account":"a-%d","at":17000000%02d}`, n, n%2, n)
		if e.GetId() != fmt.Sprintf("e-%d", n) || e.GetType() != "made" || e.GetOrderingKey() != fmt.Sprintf("a-%d", n%2) || e.GetOccurredAt().GetSeconds() != int64(1700000000+n) {
			t.Errorf("event %d: %v", n, e)
		}
		if c := e.GetContent(); string(c.GetBody()) != want || len(c.GetHeaders()) != 1 || c.GetHeaders()[0].GetValue() != "d-1" {
			t.Errorf("event %d has the content %v", n, c)
		}
		if p := e.GetBatch(); int(p.GetIndex()) != n-1 || p.GetSize() != 2 {
			t.Errorf("event %d is at %v", n, p)
		}
		if a := e.GetAuth(); !a.GetBodyCovered() || !a.GetIdCovered() || !a.GetTypeCovered() || a.GetReplaySuspected() {
			t.Errorf("event %d: %v", n, a)
		}
		if got := string(b.content(e.GetSequence())); got != want {
			t.Errorf("event %d reads back as %s", n, got)
		}
		found, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: "acme", Id: e.GetId()}}})
		if err != nil || found.GetEvent().GetSequence() != int64(n) {
			t.Errorf("by id: %v, %v", found, err)
		}
	}
}

// A retry adds only what is missing; one of which nothing is new is answered as the provider wants it.
func TestBatchIsCompletedByARetry(t *testing.T) {
	b := openWith(t, acme, acmeSource, nil)
	b.post("acme", "", "", list(2, 1), nil)
	if a := b.post("acme", "", "", list(1, 3), nil); a.status != 200 ||
		a.text != `{"events":[{"id":"e-1","sequence":"2","duplicate":false},{"id":"e-2","sequence":"1","duplicate":true},{"id":"e-3","sequence":"3","duplicate":false}],"total":3,"duplicates":1}`+"\n" {
		t.Errorf("got %d %s", a.status, a.text)
	}
	b.stop()
	b.start()
	if a := b.post("acme", "", "", list(1, 3), nil); a.status != 208 || a.text != `{"again":"d"}` {
		t.Errorf("nothing new: %d %s", a.status, a.text)
	}
	if a := b.post("acme", "", "", []byte(`{"events":[]}`), nil); a.status != 200 || a.text != `{"events":[],"total":0,"duplicates":0}`+"\n" {
		t.Errorf("an empty list: %d %s", a.status, a.text)
	}
	if a := b.post("acme", "", "", []byte(`{"id":"alone","type":"made"}`), nil); a.status != 200 || a.text != `{"id":"alone","sequence":"4","duplicate":false}`+"\n" {
		t.Errorf("no list: %d %s", a.status, a.text)
	}
	if a := b.post("acme", "", "", list(9, 1), http.Header{"X-Acme-Signature": {strings.Repeat("0", 64)}}); a.status != 403 || a.text != "" {
		t.Errorf("forged: %d %q", a.status, a.text)
	}
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{})
	for _, want := range []string{"e-2", "e-1", "e-3", "alone"} {
		if got := next().GetEvent().GetId(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A list that is longer than is taken, or that would become too large with what is around it, is refused as a whole, and both the sender and the
// operator are told what was expected and what to do.
func TestListsThatAreTooLong(t *testing.T) {
	around := `{"type":"made","around":"` + strings.Repeat("x", 1000) + `","events":[` + strings.TrimSuffix(strings.Repeat(`{"a":1},`, 500), ",") + `]}`
	for _, tc := range []struct{ name, pack, body, want string }{
		{"more events than are taken", acme, string(list(0, 10_001)),
			"want at most 10000 in a delivery, and there are more; none of them was stored: let the provider send fewer at once"},
		{"more around them than is taken", strings.Replace(acme, "batch: {events: events}", "batch: {events: events, keeps_envelope: true}", 1), around,
			"each with what is around the list they are more than 8 times as large as the delivery, and 64 KiB; none of them was stored: let the provider send fewer at once"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := &refusing{bridge: openWith(t, tc.pack, acmeSource, nil)}
			b.followRefusals()
			a, r := b.post("acme", "", "", []byte(tc.body), nil), b.next()
			want := "too many events: " + tc.want
			if told := `{"code":3,"message":"` + want + `","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TOO_MANY_EVENTS","domain":"hookbridge"}]}`; a.status != 413 || strings.TrimSpace(a.text) != told {
				t.Errorf("the sender is told %d %s", a.status, a.text)
			}
			if r.GetStatus() != 413 || r.GetReason() != "TOO_MANY_EVENTS" || r.GetMessage() != want || r.GetSource() != "acme" || r.GetBodyBytes() != int64(len(tc.body)) {
				t.Errorf("written down is %s", protojson.Format(r))
			}
			// None of it was stored.
			if a := b.post("acme", "", "", list(1, 1), nil); a.status != 200 || !strings.Contains(a.text, `"sequence":"1"`) {
				t.Errorf("the next one: %d %s", a.status, a.text)
			}
		})
	}
}

// A thousand events take a few commits.
func TestBatchSharesItsCommits(t *testing.T) {
	b := openWith(t, acme, acmeSource, nil)
	// How many there are depends on how fast the disk is and how busy the machine: usually 5 to 20. One for each event would be 1000.
	const size, most = 1000, 250
	a := b.post("acme", "", "", list(0, size), nil)
	if a.status != 200 || !strings.Contains(a.text, `"total":1000,"duplicates":0}`) || strings.Count(a.text, `"id"`) != 100 {
		t.Fatalf("got %d %.300s", a.status, a.text)
	}
	metrics := b.admin(t, "/metrics")
	for pattern, ok := range map[string]func(int) bool{
		`hookbridge_journal_commit_events_count (\d+)`:                                                    func(n int) bool { return n >= 1 && n <= most },
		`hookbridge_events_total\{decoding="untyped",outcome="stored",source="acme",type="other"\} (\d+)`: func(n int) bool { return n == size },
		`hookbridge_deliveries_total\{reason="",source="acme",status="200"\} (\d+)`:                       func(n int) bool { return n == 1 },
		`hookbridge_bodies_in_flight_bytes (\d+)`:                                                         func(n int) bool { return n == 0 },
	} {
		found := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringSubmatch(metrics)
		if found == nil {
			t.Errorf("no %s", pattern)
			continue
		}
		if n, err := strconv.Atoi(found[1]); err != nil || !ok(n) {
			t.Errorf("%s is %s", pattern, found[1])
		}
	}
}

// On a source with an enforced schema one event that doesn't fit refuses the whole delivery, by its position.
func TestBatchIsEnforcedAsAWhole(t *testing.T) {
	pack := strings.Replace(acme, "batch: {events: events}", "batch: {}", 1)
	b := openWith(t, pack, strings.Replace(acmeSource, "secrets:", "validation: enforce, secrets:", 1), nil)
	a := b.post("acme", "", "", []byte(`[{"id":"1"},{"id":"2"},7]`), nil)
	if a.status != 422 || !strings.Contains(a.text, `"message":"the event at [2] doesn't fit the schema of \"unknown\""`) || !strings.Contains(a.text, `"field":"[2]"`) {
		t.Errorf("got %d %s", a.status, a.text)
	}
	if a := b.post("acme", "", "", []byte(`[{"id":"1"}]`), nil); a.status != 200 || !strings.Contains(a.text, `"sequence":"1","duplicate":false`) {
		t.Errorf("something was stored: %d %s", a.status, a.text)
	}
}
