package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
)

// Every real delivery of the built-in providers, signed anew, is answered with 200 and streamed, with its body byte for byte and
// its type as the provider named it.
func TestEveryRealDeliveryIsTakenAndStreamed(t *testing.T) {
	sharedtest.Path(t, "payloads")
	const sources = `sources:
  - {name: github, provider: github, secrets: [env:github]}
  - {name: gitlab, provider: gitlab, secrets: [env:gitlab]}
  - {name: stripe, provider: stripe, secrets: [env:stripe]}
  - {name: shopify, provider: shopify, secrets: [env:shopify]}
  - {name: slack, provider: slack, secrets: [env:slack]}
  - {name: standard-webhooks, provider: standard_webhooks, secrets: [env:standard_webhooks]}
`
	b := open(t, "journal: {min_free: \"0\"}\n"+sources, nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "all", IncludeContent: true, MaxEventBytes: 4 << 20})
	states := map[string]map[hookbridgev1.Decoding_State]int{}
	for _, source := range []string{"github", "gitlab", "stripe", "shopify", "slack", "standard-webhooks"} {
		states[source] = map[hookbridgev1.Decoding_State]int{}
		for _, d := range realDeliveries(t, source) {
			t.Run(source+"/"+d.name, func(t *testing.T) {
				a := b.post(source, d.typ, d.id, d.body, d.header)
				if a.status != http.StatusOK {
					t.Fatalf("got %d %s", a.status, a.text)
				}
				if d.handshake {
					return
				}
				if a.receipt.Duplicate {
					t.Fatalf("%s is taken for a duplicate of %d", a.receipt.ID, a.receipt.Sequence)
				}
				delivered := next()
				e := delivered.GetEvent()
				if e.GetSequence() != a.receipt.Sequence || e.GetId() != a.receipt.ID || e.GetSource() != source {
					t.Errorf("receipt for %s at %d, streamed %s of %s at %d", a.receipt.ID, a.receipt.Sequence, e.GetId(), e.GetSource(), e.GetSequence())
				}
				if !bytes.Equal(e.GetContent().GetBody(), d.body) {
					t.Errorf("%d bytes were posted, and other %d streamed", len(d.body), len(e.GetContent().GetBody()))
				}
				if d.typ != "" && !strings.HasPrefix(e.GetType(), d.typ) {
					t.Errorf("want type %s, got %s", d.typ, e.GetType())
				}
				state := e.GetDecoding().GetState()
				if state != hookbridgev1.Decoding_STATE_TYPED && state != hookbridgev1.Decoding_STATE_UNTYPED {
					t.Errorf("%s: %v", e.GetType(), e.GetDecoding())
				}
				states[source][state]++
				b.acknowledge("all", delivered.GetAckId())
			})
		}
	}
	t.Logf("deliveries by source and state: %v", states)
}

// realDelivery is a body with what headers are known.
type realDelivery struct {
	name, typ, id string
	header        http.Header
	body          []byte
	handshake     bool
}

func realDeliveries(t *testing.T, provider string) []realDelivery {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "payloads", provider), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []realDelivery
	slices.Sort(paths)
	for n, path := range paths {
		if strings.HasSuffix(path, ".headers.json") {
			continue
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := realDelivery{name: filepath.Base(path), id: fmt.Sprintf("id-%d", n), body: body, header: http.Header{}}
		d.handshake = strings.Contains(d.name, "url_verification")
		// Two files may carry the same event id; they are two deliveries here.
		if provider == "stripe" {
			d.body = bytes.Replace(body, []byte(`"evt_`), fmt.Appendf(nil, `"evt_%d`, n), 1)
		}
		if provider == "slack" {
			d.body = bytes.Replace(body, []byte(`"event_id"`), fmt.Appendf(nil, `"event_id": "Ev%d", "event_id_of_the_file"`, n), 1)
		}
		if provider == "github" {
			d.typ, _, _ = strings.Cut(d.name, ".")
		}
		if provider == "shopify" {
			d.typ = "orders/create"
		}
		for name, value := range headersBeside(t, path) {
			if strings.HasSuffix(name, "Event") {
				d.header.Set(name, value)
			}
		}
		if event := d.header.Get("X-Github-Event"); event != "" {
			d.typ = event
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		t.Fatalf("no real deliveries of %s", provider)
	}
	return list
}

func headersBeside(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".headers.json")
	if os.IsNotExist(err) {
		return nil
	}
	headers := map[string]string{}
	if err == nil {
		err = json.Unmarshal(text, &headers)
	}
	if err != nil {
		t.Fatal(err)
	}
	return headers
}

// Bytes that are no UTF-8 make a body's data undecodable, and nothing else: id, type and ordering key are read where they are text themselves.
func TestBytesThatAreNoTextSpoilTheDataOnly(t *testing.T) {
	b := open(t, managed, nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{IncludeContent: true})
	for _, tc := range []struct{ name, body, typ, violation string }{
		{"beside the type", "{\"event\":\"user_created\",\"x\":\"\xff\xfe\"}", "user_created", "not JSON: not valid UTF-8"},
		{"in the type", "{\"event\":\"user_\xffcreated\"}", "unknown", "not JSON: not valid UTF-8"},
		{"in a key that is the type's but for them", "{\"event\":\"user_created\",\"ev\xffent\":\"user_deleted\"}", "unknown", "not JSON: not valid UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sequence := b.mustStore("demo", "", "", []byte(tc.body))
			e := next().GetEvent()
			violations := e.GetDecoding().GetViolations()
			if e.GetSequence() != sequence || e.GetType() != tc.typ || e.GetDecoding().GetState() != hookbridgev1.Decoding_STATE_UNDECODABLE || e.GetData() != nil ||
				len(violations) != 1 || violations[0].GetField() != "" || violations[0].GetMessage() != tc.violation || string(e.GetContent().GetBody()) != tc.body {
				t.Errorf("got %v", e)
			}
		})
	}
}
