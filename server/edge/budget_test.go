package edge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// 256 senders without a secret that announce 25 MB each and send much of it take no more memory than the budget: there are
// those for whom there is no room, and when all are gone everything is free again.
func TestUnsignedFloodIsBounded(t *testing.T) {
	const room = 32 << 20
	registry := prometheus.NewPedanticRegistry()
	b := open(t, "hmac", func(s *provider.SourceConfig, c *Config, _ *Endpoint) {
		s.MaxBody, c.MaxInFlight, c.Registerer = 25<<20, room, registry
	})
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const senders = 256
	chunk := []byte(strings.Repeat("x", 1<<20))
	var group sync.WaitGroup
	refused := make(chan struct{}, senders)
	sent := make(chan struct{}, senders)
	done := make(chan struct{})
	for range senders {
		group.Go(func() {
			conn := b.dial(t)
			defer func() { _ = conn.Close() }()
			// A refused sender can't write on; that it was refused is read below.
			_, err := io.WriteString(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: "+strings.Repeat("0", 64)+"\r\nContent-Length: 26214400\r\n\r\n")
			if err == nil {
				_, err = conn.Write(chunk)
			}
			sent <- struct{}{}
			// Who was let in ends in the middle of the body and is told so; who was not has its refusal, or a reset with it.
			group.Go(func() {
				<-done
				_ = conn.CloseWrite()
			})
			answer := make([]byte, 12)
			_, readErr := io.ReadFull(conn, answer)
			switch {
			case err != nil || readErr != nil || string(answer) == "HTTP/1.1 503":
				refused <- struct{}{}
			case string(answer) != "HTTP/1.1 400":
				t.Errorf("answered %q", answer)
			}
		})
	}
	for n := range senders {
		<-sent
		if used := b.handler.budget.used.Load(); used > room {
			t.Fatalf("after %d senders %d bytes are taken of %d", n, used, room)
		}
	}
	// They hold what they were given room for: before long there is none for somebody.
	<-refused
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 3*room {
		t.Errorf("the heap grew by %d bytes, with room for %d", grown, room)
	}
	if text, err := testutil.GatherAndCount(registry, "hookbridge_bodies_in_flight_bytes"); err != nil || text != 1 {
		t.Errorf("the budget's gauge: %d, %v", text, err)
	}
	close(done)
	group.Wait()
	b.Close()
	if used := b.handler.budget.used.Load(); used != 0 || !b.handler.budget.room.TryAcquire(room) {
		t.Errorf("%d bytes are still taken", used)
	}
}

// reader reports what room was taken when it was first read from.
type reader struct {
	io.Reader
	budget *budget
	first  int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.first < 0 {
		r.first = r.budget.used.Load()
	}
	return r.Reader.Read(p)
}

// Room is taken before the first byte is read, grows with what was sent and not with what was announced, and a body of exactly the
// budget fits.
func TestRoomIsTakenBeforeReading(t *testing.T) {
	const room = 1 << 20
	for _, tc := range []struct {
		name            string
		announced, sent int64
		first, taken    int64
		reason          string
	}{
		{"nothing", 0, 0, -1, 0, ""},
		{"little", 100, 100, 100, 100, ""},
		{"little, not announced", -1, 100, firstRead, firstRead, ""},
		{"exactly the first step", firstRead, firstRead, firstRead, firstRead, ""},
		{"exactly the first step, not announced", -1, firstRead, firstRead, 4 * firstRead, ""},
		{"much announced, little sent", room, 100, firstRead, firstRead, "MALFORMED_REQUEST"},
		{"as much as there is", room, room, firstRead, room, ""},
		{"as much as there is, not announced", -1, room, firstRead, room, ""},
		{"a byte more", room + 1, room + 1, -1, 0, "BODY_TOO_LARGE"},
		{"a byte more, not announced", -1, room + 1, firstRead, room, "BODY_TOO_LARGE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBudget(room)
			body := &reader{Reader: strings.NewReader(strings.Repeat("x", int(tc.sent))), budget: b, first: -1}
			var src io.Reader = body
			if tc.announced > tc.sent {
				src = io.MultiReader(body, errReader{io.ErrUnexpectedEOF})
			}
			r := httptest.NewRequest(http.MethodPost, "/", src)
			r.ContentLength = tc.announced
			got, release, err := b.read(r, r.Body, room, 0)
			reason := ""
			if err != nil {
				reason = fault.Reason(err)
			}
			if reason != tc.reason || err == nil && int64(len(got)) != tc.sent {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if tc.first >= 0 && body.first != tc.first || b.used.Load() != tc.taken {
				t.Errorf("%d taken at the first read, want %d; %d at the end, want %d", body.first, tc.first, b.used.Load(), tc.taken)
			}
			release()
			if b.used.Load() != 0 || !b.room.TryAcquire(room) {
				t.Errorf("%d bytes are still taken", b.used.Load())
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A provider that sends a delivery only once is held while there is no room, until shortly before its deadline; one that sends it
// again is refused at once. The clock of the deadline began when the request did.
func TestHoldForRoom(t *testing.T) {
	for _, tc := range []struct {
		name, provider string
		// elapsed is how long the request has been there when room is looked for; GitHub's 10 s leave 8.5 s.
		elapsed time.Duration
		// free is whether room is given back while it waits.
		free   bool
		status int
	}{
		{"GitHub, and room in time", "github", 0, true, 200},
		{"GitHub, and no room", "github", 8400 * time.Millisecond, false, 503},
		{"GitHub, too late to wait", "github", 9 * time.Second, false, 503},
		{"Shopify comes again", "shopify", 0, false, 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			var calls atomic.Int64
			b := open(t, tc.provider, func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
				c.MaxInFlight = 25 << 20
				c.Now = func() time.Time {
					if calls.Add(1) == 1 {
						return now
					}
					select {
					case asked <- struct{}{}:
					default:
					}
					return now.Add(tc.elapsed)
				}
			})
			if !b.handler.budget.take(t.Context(), claim{bytes: 25 << 20}, 0) {
				t.Fatal("no room at all")
			}
			if tc.free {
				go func() {
					<-asked
					b.handler.budget.release(claim{bytes: 25 << 20})
				}()
			}
			resp, text := b.send(t, `{"action":"x"}`, nil)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if tc.status == 503 && (reasonOf(t, text) != "OVERLOADED" || resp.Header.Get("Retry-After") != "1") {
				t.Errorf("Retry-After %q, %s", resp.Header.Get("Retry-After"), text)
			}
		})
	}
}

// What the edge hands on says until when the journal may be waited for: shortly before the deadline, counted from the head of the
// request, not from the end of its body.
func TestHoldForTheJournal(t *testing.T) {
	var calls atomic.Int64
	var got *delivery.Verified
	b := open(t, "github", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Now = func() time.Time { return now.Add(time.Duration(calls.Add(1)-1) * time.Second) }
		c.Next = func(_ context.Context, w http.ResponseWriter, d *delivery.Delivery) error {
			got = d.Events[0]
			_, err := fmt.Fprint(w, "receipt")
			return err
		}
	})
	if resp, text := b.send(t, `{"action":"x"}`, nil); resp.StatusCode != 200 {
		t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	b.Close()
	if want := now.Add(8500 * time.Millisecond); !got.HoldUntil.Equal(want) || !got.ReceivedAt.After(now) {
		t.Errorf("held until %v, want %v; received at %v", got.HoldUntil, want, got.ReceivedAt)
	}
}
