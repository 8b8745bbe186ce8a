package edge

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// Only whoever forges waits, the longer the more there are, and never longer than the longest pause: what waits that long takes nobody's turn.
func TestPause(t *testing.T) {
	p := newPacing()
	const each = time.Second / forgedPerSecond
	for n := range forgedBurst {
		if wait := p.pause(fault.ErrSignatureMismatch, now); wait != 0 {
			t.Fatalf("the forged delivery %d waits %v, want 0", n, wait)
		}
	}
	for _, other := range []error{fault.ErrSchema, fault.ErrRate, fault.ErrMediaType, fault.ErrJournalFull, errors.New("a defect")} {
		if wait := p.pause(other, now); wait != 0 {
			t.Errorf("%v waits %v, want 0", other, wait)
		}
	}
	for n := time.Duration(1); n*each <= longestPause; n++ {
		if wait := p.pause(fault.ErrTimestamp, now); wait != n*each {
			t.Fatalf("the one %d after the burst waits %v, want %v", n, wait, n*each)
		}
	}
	for range forgedPerSecond {
		for _, err := range []error{fault.ErrUnknownSource, fault.ErrKeyUnavailable, fault.ErrHandshakeRefused, fault.ErrHandshakeForbidden} {
			if wait := p.pause(err, now); wait != longestPause {
				t.Fatalf("one more, %v, waits %v, want %v", err, wait, longestPause)
			}
		}
	}
	if wait := p.pause(fault.ErrSignatureMissing, now.Add(longestPause)); wait != each {
		t.Errorf("when all of them have been answered one waits %v, want %v", wait, each)
	}
}

// A forged delivery that waits has been told of before and keeps no body; a verified one doesn't wait behind it.
func TestForgedDeliveriesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const paused = 3
		var mu sync.Mutex
		var told []int
		catalogue, err := provider.Builtin()
		if err != nil {
			t.Fatal(err)
		}
		pack, _ := catalogue.Get("hmac")
		b := closed(t, pack, func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
			c.Now = time.Now
			c.Refused = func(r *delivery.Refusal) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, r.Status*1000+len(r.Request.Body))
			}
		})
		const document = `{"event":"user_created"}`
		start := time.Now()
		var took []time.Duration
		var all sync.WaitGroup
		signed, err := b.source.Sign(&url.URL{Path: "/webhooks/demo"}, []byte(document), "user_created", "d-1", start)
		if err != nil {
			t.Fatal(err)
		}
		deliver := func(forged bool, want int, note func(time.Duration)) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/demo", strings.NewReader(document))
			r.Header = signed.Clone()
			if forged {
				r.Header.Set("X-Signature", strings.Repeat("0", 64))
			}
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("want %d, got %d: %s", want, w.Code, w.Body)
			}
			mu.Lock()
			defer mu.Unlock()
			note(time.Since(start))
		}
		for range forgedBurst + paused {
			all.Go(func() {
				deliver(true, http.StatusUnauthorized, func(d time.Duration) { took = append(took, d) })
			})
		}
		synctest.Wait()
		mu.Lock()
		answered, known := len(took), len(told)
		mu.Unlock()
		if answered != forgedBurst || known != forgedBurst+paused {
			t.Errorf("at first %d are answered and %d known, want %d and %d", answered, known, forgedBurst, forgedBurst+paused)
		}
		deliver(false, http.StatusOK, func(d time.Duration) {
			if d != 0 {
				t.Errorf("a verified delivery waited %v", d)
			}
		})
		all.Wait()
		slices.Sort(took)
		want := slices.Repeat([]time.Duration{0}, forgedBurst)
		for n := range paused {
			want = append(want, time.Duration(n+1)*time.Second/forgedPerSecond)
		}
		if diff := cmp.Diff(want, took); diff != "" {
			t.Errorf("how long they waited (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(slices.Repeat([]int{401*1000 + len(document)}, forgedBurst+paused), told); diff != "" {
			t.Errorf("status and bytes that were told (-want +got)\n%s", diff)
		}
	})
}
