package server_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// large is what GitHub sends at most.
const large = 25 << 20

// document makes a JSON body of exactly n bytes that hardly compresses.
func document(n int) []byte {
	const begin, end = `{"zen":"`, `"}`
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(1, 2))
	body := append(make([]byte, 0, n), begin...)
	for len(body) < n-len(end) {
		body = append(body, letters[random.IntN(len(letters))])
	}
	return append(body, end...)
}

// storeAtLast posts until it is stored, as a sender does that is told to come back: on a busy machine a large body may take longer than its
// provider waits for the answer, and is 503 then. It is stored once all the same.
func (b *bridge) storeAtLast(source, typ, id string, body []byte) int64 {
	b.t.Helper()
	deadline := time.Now().Add(2 * patience)
	for {
		a := b.post(source, typ, id, body, nil)
		if a.status == http.StatusOK {
			return a.receipt.Sequence
		}
		if a.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			b.t.Fatalf("%s: want 200, or 503 for a while, got %d %s", id, a.status, a.text)
		}
	}
}

// A body of the largest size is stored and comes back whole, one byte more is 413, and a subscriber with the limits that every gRPC
// client has by default is not stopped by it.
func TestLargestBody(t *testing.T) {
	b := open(t, "journal: {min_free: \"0\"}\nsources: [{name: github, provider: github, max_body: 25MiB, secrets: [env:github]}]\n", nil)
	body := document(large)
	first := b.storeAtLast("github", "ping", "largest", body)
	if a := b.post("github", "ping", "too-large", document(large+1), nil); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("one byte over the limit: want 413, got %d %s", a.status, a.text)
	}
	second := b.mustStore("github", "ping", "after", document(100))

	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "limits", IncludeContent: true})
	d := next()
	if e := d.GetEvent(); e.GetSequence() != first || e.GetContent() != nil || e.GetData() != nil || e.GetOmission().GetBodyBytes() != large {
		t.Errorf("want event %d without data and content, and %d bytes said to be omitted, got %d with %v", first, large, e.GetSequence(), e.GetOmission())
	}
	if e := next().GetEvent(); e.GetSequence() != second || e.GetOmission() != nil {
		t.Errorf("want event %d, whole, got %d with %v", second, e.GetSequence(), e.GetOmission())
	}
	if got := b.content(first); !bytes.Equal(got, body) {
		t.Errorf("the body of %d bytes came back as other %d", len(body), len(got))
	}
}
