package client

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/chance"
)

func someDelivery(s *session, h *handler, sequence int64, key string) *delivery {
	return &delivery{
		event: Event{Event: &hookbridgev1.Event{Sequence: sequence, OrderingKey: key, Source: "demo"}}, ackID: "id", handler: h, session: s,
		until: time.Now().Add(time.Hour),
	}
}

// Beyond its bound the dispatcher takes nothing before something is settled, the stream ends, or Subscribe does.
func TestBound(t *testing.T) {
	for name, tc := range map[string]struct {
		free func(p *dispatcher, all []*delivery, endStream, endWork func())
		want bool
	}{
		"settled":        {func(p *dispatcher, all []*delivery, _, _ func()) { p.settled(all[:1]) }, true},
		"stream ended":   {func(_ *dispatcher, _ []*delivery, endStream, _ func()) { endStream() }, false},
		"nothing wanted": {func(p *dispatcher, _ []*delivery, _, endWork func()) { endWork(); p.stop() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				working, endWork := context.WithCancel(t.Context())
				defer endWork()
				life, endStream := context.WithCancel(t.Context())
				defer endStream()
				h := &handler{}
				p := newDispatcher(working, &router{}, 1)
				p.widen(20)
				s := &session{ctx: life}
				var all []*delivery
				for n := range 40 {
					d := someDelivery(s, h, int64(n), "")
					if !p.push(d) {
						t.Fatalf("delivery %d was not taken", n)
					}
					all = append(all, d)
				}
				taken := make(chan bool, 1)
				go func() { taken <- p.push(someDelivery(s, h, 41, "")) }()
				synctest.Wait()
				select {
				case <-taken:
					t.Fatal("a delivery beyond twice the window was let in")
				default:
				}
				tc.free(p, all, endStream, endWork)
				if got := <-taken; got != tc.want {
					t.Errorf("taken: %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// Whatever happens in whatever order: one delivery of a key at a time, in order among those of a stream, and in the end nothing is left.
func TestDispatcherAtRandom(t *testing.T) {
	random := chance.Of(chance.Seed(t))
	p := newDispatcher(t.Context(), &router{}, 1)
	p.widen(1000)
	h := &handler{ordered: true}
	streams := []*session{}
	ends := []context.CancelFunc{}
	open := func() {
		ctx, cancel := context.WithCancel(t.Context())
		streams, ends = append(streams, &session{ctx: ctx}), append(ends, cancel)
	}
	open()
	working := map[string]*delivery{}
	last := map[string]*delivery{}
	var handled []*delivery
	sequence := int64(0)
	take := func() {
		if p.shared.ready.first == nil {
			return
		}
		// take waits when all that is ready has lost its stream, so those are dropped first, as over does.
		d := p.take(p.shared)
		key := d.event.GetOrderingKey()
		if working[key] != nil {
			t.Fatalf("%d and %d of key %s at once", working[key].event.GetSequence(), d.event.GetSequence(), key)
		}
		if before := last[key]; before != nil && before.session == d.session && before.event.GetSequence() > d.event.GetSequence() {
			t.Fatalf("%d of key %s came behind %d", d.event.GetSequence(), key, before.event.GetSequence())
		}
		working[key], last[key] = d, d
	}
	finish := func() {
		if len(working) == 0 {
			return
		}
		keys := slices.Sorted(maps.Keys(working))
		key := keys[random.IntN(len(keys))]
		p.done(working[key])
		handled = append(handled, working[key])
		delete(working, key)
	}
	for range 20_000 {
		current := len(streams) - 1
		switch n := random.IntN(100); {
		case n < 40 && p.count < 900:
			sequence++
			p.push(someDelivery(streams[current], h, sequence, string(rune('a'+random.IntN(5)))))
		case n < 65:
			take()
		case n < 90:
			finish()
		case n < 99:
			p.settled(handled)
			handled = nil
		default:
			ends[current]()
			p.over(streams[current])
			open()
		}
	}
	for len(working) > 0 || p.shared.ready.first != nil {
		take()
		finish()
	}
	p.settled(handled)
	if held := streams[len(streams)-1].held; p.count != 0 || len(p.keys) != 0 || len(held) != 0 {
		t.Errorf("left: %d deliveries, %d keys, %d held", p.count, len(p.keys), len(held))
	}
	for _, end := range ends {
		end()
	}
}
