package edge

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// Senders without a secret that announce large bodies and hold what they are given take no room from small deliveries: an eighth of the budget is
// theirs. Large ones find none until the others have gone.
func TestLargeUnsignedBodiesLeaveRoomForSmallOnes(t *testing.T) {
	const room, senders = 2 << 20, 160
	const most = room / 8 * 7 / firstRead // as many have room for what is read first
	b := open(t, "hmac", func(s *provider.SourceConfig, c *Config, _ *Endpoint) { s.MaxBody, c.MaxInFlight = room, room })
	var group sync.WaitGroup
	refused, done := make(chan struct{}, senders), make(chan struct{})
	for range senders {
		conn := b.dial(t)
		group.Go(func() {
			if _, err := io.WriteString(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: "+strings.Repeat("0", 64)+"\r\nContent-Length: 2097152\r\n\r\n{"); err != nil {
				t.Error(err)
			}
			group.Go(func() {
				<-done
				_ = conn.CloseWrite()
			})
			answer := make([]byte, 12)
			_, err := io.ReadFull(conn, answer)
			if text := string(answer); err == nil && text == "HTTP/1.1 503" {
				refused <- struct{}{}
			} else if err != nil || text != "HTTP/1.1 400" {
				t.Errorf("answered %q, %v", text, err)
				refused <- struct{}{} // nobody waits for it in vain
			}
		})
	}
	for range senders - most {
		<-refused
	}
	if b.handler.budget.large.TryAcquire(1) {
		t.Error("large bodies have not taken all that they share")
	}
	for n := range 3 {
		small := fmt.Sprintf(`{"event":"user_created","n":%d,"x":%q}`, n, strings.Repeat("x", 60<<10))
		if resp, text := b.send(t, small, nil); resp.StatusCode != http.StatusOK {
			t.Errorf("a small delivery: %d %s", resp.StatusCode, text)
		}
		little := fmt.Sprintf(`{"event":"user_created","little":%d}`, n)
		if resp, text := b.send(t, little, lengthless); resp.StatusCode != http.StatusOK {
			t.Errorf("a little one that doesn't say its length: %d %s", resp.StatusCode, text)
		}
		large := fmt.Sprintf(`{"event":"user_created","n":%d,"x":%q}`, n, strings.Repeat("x", 70<<10))
		if resp, text := b.send(t, large, nil); resp.StatusCode != http.StatusServiceUnavailable || reasonOf(t, text) != "OVERLOADED" {
			t.Errorf("a large delivery: %d %s", resp.StatusCode, text)
		}
		if resp, text := b.send(t, small, lengthless); resp.StatusCode != http.StatusServiceUnavailable || reasonOf(t, text) != "OVERLOADED" {
			t.Errorf("a delivery that doesn't say how small it is: %d %s", resp.StatusCode, text)
		}
	}
	close(done)
	group.Wait()
	if resp, text := b.send(t, `{"event":"user_created","x":"`+strings.Repeat("x", 1<<20)+`"}`, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a large delivery afterwards: %d %s", resp.StatusCode, text)
	}
	b.Close()
	if used := b.handler.budget.used.Load(); used != 0 || !b.handler.budget.large.TryAcquire(b.handler.budget.shared) || !b.handler.budget.room.TryAcquire(room) {
		t.Errorf("%d bytes are still taken", used)
	}
}

// lengthless makes a request that doesn't say how long its body is.
func lengthless(r *http.Request) { r.ContentLength = -1 }

// What a body takes of the part that large ones share, beside what it takes of the whole.
func TestLargeBodiesShareARest(t *testing.T) {
	const room = 1 << 20
	for _, tc := range []struct {
		name            string
		announced, sent int64
		taken, shared   int64
	}{
		{"as small as can be", 0, 0, 0, 0},
		{"small", 60 << 10, 60 << 10, 60 << 10, 0},
		{"the largest small one", smallBody, smallBody, smallBody, 0},
		{"a byte more", smallBody + 1, smallBody + 1, smallBody + 1, smallBody + 1},
		{"large, and hardly sent", 500 << 10, 1, firstRead, firstRead},
		{"not announced, and little", -1, firstRead - 1, firstRead, 0},
		{"not announced", -1, firstRead + 1, 4 * firstRead, 4 * firstRead},
		{"as much as there is", room, room, room, room / 8 * 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBudget(room)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", int(tc.sent))))
			r.ContentLength = tc.announced
			_, release, err := b.read(r, r.Body, room, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !b.large.TryAcquire(b.shared-tc.shared) || b.large.TryAcquire(1) {
				t.Errorf("large bodies have not taken %d", tc.shared)
			}
			b.large.Release(b.shared - tc.shared)
			if b.used.Load() != tc.taken {
				t.Errorf("%d taken, want %d", b.used.Load(), tc.taken)
			}
			release()
			if b.used.Load() != 0 || !b.large.TryAcquire(b.shared) || !b.room.TryAcquire(room) {
				t.Errorf("%d bytes are still taken", b.used.Load())
			}
		})
	}
}

// Where the whole is taken, by small bodies, a large one is refused and has taken nothing.
func TestLargeBodyTakesNothingWhereTheWholeIsTaken(t *testing.T) {
	const room = 1 << 20
	b := newBudget(room)
	if !b.room.TryAcquire(room) {
		t.Fatal("no room at all")
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 100<<10)))
	_, release, err := b.read(r, r.Body, room, 0)
	if fault.Reason(err) != "OVERLOADED" {
		t.Errorf("got %v", err)
	}
	release()
	if b.used.Load() != 0 || !b.large.TryAcquire(b.shared) {
		t.Errorf("%d bytes are taken, or some of what large ones share", b.used.Load())
	}
}
