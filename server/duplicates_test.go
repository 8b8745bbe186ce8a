package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Guarantee 3, once per delivery id: of 32 concurrent identical deliveries one is stored and all get 200 and its receipt; so do
// those that come a day later, after a restart, and after retention removed the first copy.
func TestOncePerDeliveryID(t *testing.T) {
	c := &clock{now: time.Now()}
	b := open(t, `journal: {min_free: "0", dedupe_window: 72h, retention: {max_bytes: 1MiB}}
sources: [{name: demo, provider: hmac, secrets: [env:hmac]}]
`, c.Now)
	b.mustStore("demo", "user_created", "before", userCreated(1))

	sequence := b.postTogether(t, "same", 1)
	for _, later := range []struct {
		name string
		do   func()
	}{
		{"at once", func() {}},
		{"a day later", func() { c.advance(24 * time.Hour) }},
		{"after a restart", func() { b.stop(); b.start() }},
		{"after the first copy was purged", func() { b.purge(t, sequence) }},
		{"after the purge and a restart", func() { b.stop(); b.start() }},
	} {
		t.Run(later.name, func(t *testing.T) {
			later.do()
			if again := b.postTogether(t, "same", 0); again != sequence {
				t.Errorf("want the receipt of the first, %d, got %d", sequence, again)
			}
		})
	}
	c.advance(49 * time.Hour)
	if a := b.post("demo", "user_created", "same", userCreated(1), nil); a.receipt.Duplicate || a.receipt.Sequence <= sequence {
		t.Errorf("after the dedupe window: want a new event, got %s", a.text)
	}
}

// postTogether posts 32 identical deliveries at once, and wants so many of them to be new. It returns the one sequence.
func (b *bridge) postTogether(t *testing.T, id string, wantNew int) int64 {
	t.Helper()
	const together = 32
	answers := make([]answer, together)
	var work sync.WaitGroup
	for n := range answers {
		work.Go(func() {
			var err error
			if answers[n], err = b.tryPost("demo", "user_created", id, userCreated(1), nil); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	fresh := 0
	for _, a := range answers {
		if a.status != http.StatusOK || a.receipt.Sequence != answers[0].receipt.Sequence {
			t.Fatalf("want 200 and sequence %d, got %d %s", answers[0].receipt.Sequence, a.status, a.text)
		}
		if !a.receipt.Duplicate {
			fresh++
		}
	}
	if fresh != wantNew {
		t.Errorf("of %d answers %d were no duplicates, want %d", together, fresh, wantNew)
	}
	return answers[0].receipt.Sequence
}

// purge stores events until retention has removed the one with this sequence.
func (b *bridge) purge(t *testing.T, sequence int64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for n := 0; time.Now().Before(deadline); n++ {
		// Random text: what compresses takes no room.
		b.mustStore("demo", "user_created", fmt.Sprintf("filler-%d", n), filler(n, 60<<10))
		_, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: sequence}})
		if err != nil {
			return
		}
	}
	t.Fatalf("event %d was not removed at max_bytes", sequence)
}
