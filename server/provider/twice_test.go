package provider

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// A header, a query parameter and a form's field that is given more than once has no value, whatever the values are: readers differ in which of
// them counts. What else gives a value goes on to. It is the same with a member of the JSON, see TestUnreadableBodiesGiveNoValues.
func TestWhatIsGivenTwiceHasNoValue(t *testing.T) {
	const ofBody = "(of the body)"
	for _, place := range []struct {
		kind string
		// put adds a value to a delivery.
		put func(r *delivery.Request, name, value string)
	}{
		{"header", func(r *delivery.Request, name, value string) { r.Header.Add(name, value) }},
		{"query", func(r *delivery.Request, name, value string) { r.URL.RawQuery = joined(r.URL.RawQuery, name, value) }},
		{"form", func(r *delivery.Request, name, value string) { r.Body = []byte(joined(string(r.Body), name, value)) }},
	} {
		for _, tc := range []struct {
			name  string
			pairs []string

			id, typ, ordering string
			occurred          int64
		}{
			{"everything once", []string{"id", "a", "type", "t", "key", "k", "at", "1772355600"}, "a", "t", "k", 1772355600},
			{"the id twice", []string{"id", "a", "id", "b", "type", "t"}, ofBody, "t", "", 0},
			{"the id twice, the same", []string{"id", "a", "id", "a", "type", "t"}, ofBody, "t", "", 0},
			{"the id twice, once empty", []string{"id", "", "id", "a", "type", "t"}, ofBody, "t", "", 0},
			{"the id twice, and another one", []string{"id", "a", "id", "b", "other", "c", "type", "t"}, "c", "t", "", 0},
			{"the type twice", []string{"id", "a", "type", "t", "type", "u"}, "a", "unknown", "", 0},
			{"time and key twice", []string{"id", "a", "type", "t", "key", "k", "key", "l", "at", "1772355600", "at", "1772355600"}, "a", "t", "", 0},
			{"what a condition wants twice", []string{"id", "a", "type", "t", "v", "2", "v", "2"}, "a", "t", "", 0},
			{"what must be absent twice", []string{"id", "a", "legacy", "1", "legacy", "2"}, "a", "unknown", "", 0},
			{"something else twice", []string{"id", "a", "x", "1", "x", "2", "type", "t"}, "a", "t", "", 0},
		} {
			t.Run(place.kind+"/"+tc.name, func(t *testing.T) {
				k := place.kind
				s := newTestSource(t, `key: own
name: Own
docs_url: https://example.com
schemes: [{name: s, algorithm: token, signature: [{header: X-Token}]}]
id: [{parts: [{`+k+`: id}]}, {parts: [{`+k+`: other}]}]
type:
  - {when: [{`+k+`: v, equals: "2"}], parts: [{literal: second}]}
  - {parts: [{`+k+`: type}]}
  - {when: [{`+k+`: legacy, absent: true}, {`+k+`: v, absent: true}, {`+k+`: type, absent: true}], parts: [{literal: old}]}
occurred_at: [{`+k+`: at, unit: s}]
ordering_key: [{parts: [{`+k+`: key}]}]
bodies: [{media_type: application/x-www-form-urlencoded, format: fields}]
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"t"}, DigestWindow: time.Minute})
				r := &delivery.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{"X-Token": {"t"}}, ReceivedAt: now}
				for n := 0; n < len(tc.pairs); n += 2 {
					place.put(r, tc.pairs[n], tc.pairs[n+1])
				}
				outcome, err := s.Receive(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				v, want := outcome.Verified[0], tc.id
				if want == ofBody {
					want = digest(r.Body)
				}
				if v.ID != want || v.Type != tc.typ || v.OrderingKey != tc.ordering {
					t.Errorf("got id %q, type %q, ordering key %q, want %q, %q, %q", v.ID, v.Type, v.OrderingKey, want, tc.typ, tc.ordering)
				}
				if tc.occurred == 0 != v.OccurredAt.IsZero() || tc.occurred != 0 && v.OccurredAt.Unix() != tc.occurred {
					t.Errorf("occurred at %v, want %d", v.OccurredAt, tc.occurred)
				}
			})
		}
	}
}

func joined(query, name, value string) string {
	if query != "" {
		query += "&"
	}
	return query + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

// A handshake is answered with nothing that is given twice, and its refusal says so.
func TestHandshakeWithAValueTwice(t *testing.T) {
	s := newTestSource(t, `key: own
name: Own
docs_url: https://example.com
schemes: [{name: s, algorithm: token, signature: [{header: X-Token}]}]
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: mode, equals: greet}], respond: {content_type: text/plain, body: "{query:challenge}"}}
  - {method: POST, when: [{query: mode, equals: bring}], captures: {header: X-Secret}, respond: {status: 200}}
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"t"}})
	for _, tc := range []struct {
		name, method, query string
		header              http.Header
		want                string
	}{
		{"the challenge", http.MethodGet, "mode=greet&challenge=a&challenge=b", nil, "handshake refused: query parameter challenge is there more than once"},
		{"no challenge", http.MethodGet, "mode=greet", nil, "handshake refused: query parameter challenge is absent"},
		{"what it is told by", http.MethodGet, "mode=greet&mode=greet&challenge=a", nil, "handshake refused: no handshake of this form is known"},
		{"the secret", http.MethodPost, "mode=bring", http.Header{"X-Secret": {"a", "b"}}, "handshake refused: header X-Secret is there more than once"},
	} {
		if tc.header == nil {
			tc.header = http.Header{"X-Token": {"t"}}
		}
		outcome, err := s.Receive(t.Context(), &delivery.Request{
			Method: tc.method, URL: &url.URL{RawQuery: tc.query}, Header: tc.header, ReceivedAt: now,
		})
		if !errors.Is(err, ErrHandshakeRefused) || err.Error() != tc.want || outcome.Answer != nil || outcome.Captured != "" {
			t.Errorf("%s: got %v and %+v, want %s", tc.name, err, outcome, tc.want)
		}
	}
}

// A scheme whose condition looks at what is given twice is not taken by it, and what looks into refusals finds the same.
func TestSchemeWithAConditionGivenTwice(t *testing.T) {
	s := newTestSource(t, `key: own
name: Own
docs_url: https://example.com
schemes: [{name: s, algorithm: token, when: [{json: v, equals: "2"}], signature: [{header: X-Token}]}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"t"}})
	for _, tc := range []struct {
		body string
		err  error
	}{
		{`{"v":"2"}`, nil},
		{`{"v":"2","v":"2"}`, ErrSignatureMissing},
		{`{"v":"2","v":"3"}`, ErrSignatureMissing},
	} {
		r := post(http.Header{"X-Token": {"t"}}, []byte(tc.body))
		_, err := s.Receive(t.Context(), r)
		if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: got %v, want %v", tc.body, err, tc.err)
		}
		if _, unmet := s.Provers()[0].Unmet(r); unmet != (tc.err != nil) {
			t.Errorf("%s: the condition is unmet: %v", tc.body, unmet)
		}
	}
}
