package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// Finish waits for what had begun, for each of them and no longer than it is let; what comes after Drain is not begun.
func TestFinishWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunning()
		for range 3 {
			if !r.enter() {
				t.Fatal("nothing is begun before the end")
			}
		}
		r.leave()
		h := &Handler{running: r}
		h.Drain()
		if r.enter() {
			t.Error("something was begun after the end")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Finish(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("two were running: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- h.Finish(t.Context()) }()
		for range 2 {
			synctest.Wait()
			select {
			case err := <-done:
				t.Errorf("it ended early: %v", err)
			default:
			}
			r.leave()
		}
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("nothing was running, and it waited")
		}
	})
}

// However deliveries come, none runs when Finish has returned, and it returns when the last one has ended, although they go on coming.
func TestNothingRunsAfterFinish(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			h := &Handler{running: newRunning()}
			var comers sync.WaitGroup
			var inside atomic.Int64
			var last atomic.Int64 // when one ended
			var finished, over atomic.Bool
			start := time.Now()
			some := func(chance *rand.Rand) { time.Sleep(time.Duration(chance.Int64N(int64(10 * time.Millisecond)))) }
			for n := range uint64(4) {
				chance := rand.New(rand.NewPCG(seed, n))
				comers.Go(func() {
					for !over.Load() {
						if some(chance); !h.running.enter() {
							continue
						}
						inside.Add(1)
						if some(chance); finished.Load() {
							t.Errorf("seed %d: a delivery ran after Finish had returned", seed)
						}
						inside.Add(-1)
						last.Store(int64(time.Since(start)))
						h.running.leave()
					}
				})
			}
			chance := rand.New(rand.NewPCG(seed, 4))
			for range 10 {
				some(chance)
			}
			h.Drain()
			drained := int64(time.Since(start))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := h.Finish(ctx)
			finished.Store(true)
			if n := inside.Load(); err != nil || n != 0 {
				t.Errorf("seed %d: Finish returned %v while %d were running", seed, err, n)
			}
			if got, want := int64(time.Since(start)), max(drained, last.Load()); got != want {
				t.Errorf("seed %d: Finish returned at %d, want it at %d", seed, got, want)
			}
			for range 10 {
				some(chance)
			}
			over.Store(true)
			comers.Wait()
		})
	}
}

// To begin and to see that it is too late for that is one step: what comes just then is not begun behind the back of Finish. With two steps there
// is a moment between them, which two processors hit within these rounds; one alone hardly does.
func TestWhatComesJustThenIsNotBegun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 10_000 {
		h := &Handler{running: newRunning()}
		var finished, ready atomic.Bool
		var comers sync.WaitGroup
		comers.Go(func() {
			ready.Store(true)
			for n := 0; h.running.enter(); h.running.leave() {
				if n++; n%1024 == 0 {
					runtime.Gosched() // where there is one processor, the other goroutine has its turn
				}
				for range 20 {
					if finished.Load() {
						t.Error("a delivery ran after Finish had returned")
						return
					}
				}
			}
		})
		for !ready.Load() {
			runtime.Gosched()
		}
		h.Drain()
		err := h.Finish(ctx)
		finished.Store(true)
		if comers.Wait(); err != nil || t.Failed() {
			t.Fatal(err)
		}
	}
}

// When bodies are cut off their senders are told to send them again, and metrics and log say so too, however the body comes. A delivery that has
// arrived goes on, and a sender that goes away by itself before that is at fault as ever.
func TestCutBodiesAreNoFaultOfTheirSenders(t *testing.T) {
	registry := prometheus.NewRegistry()
	arrived, release := make(chan context.Context, 1), make(chan struct{})
	b := open(t, "hmac", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Registerer = registry
		c.Next = func(ctx context.Context, w http.ResponseWriter, _ *delivery.Delivery) error {
			arrived <- ctx
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
			_, err := io.WriteString(w, "receipt")
			return err
		}
	})
	const half = `{"event":"user_created"}`
	whole := b.begin(t, fmt.Sprintf("Content-Length: %d", len(half)), half)
	working := <-arrived
	cut := map[string]*net.TCPConn{
		"announced": b.begin(t, "Content-Length: 1000000", half),
		"chunked":   b.begin(t, "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(half), half)),
	}
	b.handler.Drain()
	b.handler.Cut(time.Millisecond)
	for name, conn := range cut {
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") || !strings.Contains(string(answer), `"SHUTTING_DOWN"`) ||
			!strings.Contains(string(answer), "\r\nRetry-After: 1\r\n") || !strings.Contains(string(answer), "\r\nConnection: close\r\n") {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
	}
	if n := b.handler.CutOff(); n != len(cut) {
		t.Errorf("it cut off %d of %d", n, len(cut))
	}
	if err := working.Err(); err != nil {
		t.Errorf("the delivery that had arrived: %v", err)
	}
	close(release)
	if answer, err := io.ReadAll(whole); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("the delivery that had arrived: got %q, %v", answer, err)
	}
	if err := b.handler.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	const want = `# HELP hookbridge_deliveries_total Requests of providers by source, HTTP status and reason (empty for success; see ErrorReason). Unknown sources count as other.
# TYPE hookbridge_deliveries_total counter
hookbridge_deliveries_total{reason="",source="demo",status="200"} 1
hookbridge_deliveries_total{reason="SHUTTING_DOWN",source="demo",status="503"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "hookbridge_deliveries_total"); err != nil {
		t.Error(err)
	}
	if log := b.log.String(); strings.Count(log, "status=503 reason=SHUTTING_DOWN") != 2 || strings.Contains(log, "MALFORMED") {
		t.Errorf("it logged %s", log)
	}
}

// pipes is a listener in memory, by the clock of a synctest bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// What arrives in the last moments is not cut off: it is read, and then worked at for as long as any other.
func TestTheLastBytesOfABodyAreRead(t *testing.T) {
	const body, within, work = `{"event":"user_created"}`, 100 * time.Millisecond, 3 * time.Second
	announced := [2]string{fmt.Sprintf("Content-Length: %d", len(body)), body}
	chunked := [2]string{"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)}
	for _, tc := range []struct {
		name  string
		sent  [2]string
		after time.Duration
		want  string
	}{
		{"as it is cut", announced, 0, "200 OK"},
		{"as it is cut, in chunks", chunked, 0, "200 OK"},
		{"at the last moment", announced, within - 1, "200 OK"},
		{"at the last moment, in chunks", chunked, within - 1, "200 OK"},
		{"too late", announced, within, "503 Service Unavailable"},
		{"too late, in chunks", chunked, within, "503 Service Unavailable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := closed(t, builtin(t, "hmac"), func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
					c.Next = func(ctx context.Context, w http.ResponseWriter, _ *delivery.Delivery) error {
						select {
						case <-time.After(work):
						case <-ctx.Done():
							return ctx.Err()
						}
						_, err := io.WriteString(w, "receipt")
						return err
					}
				})
				server, listener, served := b.handler.Server(30*time.Second), make(pipes, 1), make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				here, there := net.Pipe()
				listener <- there
				in := bufio.NewReader(here)
				write := func(text string) {
					t.Helper()
					if _, err := io.WriteString(here, text); err != nil {
						t.Fatal(err)
					}
				}
				answer := func() string {
					t.Helper()
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
					return resp.Status
				}
				write("POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: " + sign(body) +
					"\r\nExpect: 100-continue\r\n" + tc.sent[0] + "\r\n\r\n")
				if got := answer(); got != "100 Continue" {
					t.Fatalf("got %s", got)
				}
				half := len(tc.sent[1]) / 2
				write(tc.sent[1][:half])
				b.handler.Drain()
				b.handler.Cut(within)
				cut := 0
				if time.Sleep(tc.after); tc.after < within {
					write(tc.sent[1][half:])
				} else {
					cut = 1
				}
				if got := answer(); got != tc.want {
					t.Errorf("want %s, got %s", tc.want, got)
				}
				if n := b.handler.CutOff(); n != cut {
					t.Errorf("want %d cut off, got %d", cut, n)
				}
				_ = here.Close()
				if err := b.handler.Finish(t.Context()); err != nil {
					t.Error(err)
				}
				close(listener)
				if err := <-served; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// A body whose reading begins after that has no longer than the others, and one that was read whole just before is not what ends its delivery.
func TestBodiesAroundACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, before, after := newRunning(), &readUntil{ResponseWriter: httptest.NewRecorder()}, &readUntil{ResponseWriter: httptest.NewRecorder()}
		r.read(before)
		r.drain()
		r.cut(time.Second)
		until := time.Now().Add(time.Second)
		if !before.until.Equal(until) {
			t.Errorf("want until %v, got %v", until, before.until)
		}
		if r.arrived(before, true, false) || !before.until.IsZero() {
			t.Errorf("it has arrived, and may be read until %v", before.until)
		}
		time.Sleep(time.Minute)
		r.read(after)
		if !after.until.Equal(until) {
			t.Errorf("want until %v, got %v", until, after.until)
		}
		if !r.arrived(after, false, true) {
			t.Error("it was cut off")
		}
	})
}

// readUntil remembers until when may be read.
type readUntil struct {
	http.ResponseWriter
	until time.Time
}

func (r *readUntil) SetReadDeadline(until time.Time) error {
	r.until = until
	return nil
}

// A sender that goes away by itself while others are finished is at fault as ever.
func TestSenderGoesAwayDuringAShutdown(t *testing.T) {
	b := open(t, "hmac")
	conn := b.begin(t, "Content-Length: 1000", "{")
	b.handler.Drain()
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "MALFORMED_REQUEST") {
		t.Errorf("got %q, %v", answer, err)
	}
}

// begin sends the head of a delivery with the signature of {"event":"user_created"} and a first part of its body, and returns when that is
// being read.
func (b *bridge) begin(t *testing.T, length, first string) *net.TCPConn {
	t.Helper()
	conn := b.dial(t)
	head := "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: " + sign(`{"event":"user_created"}`) +
		"\r\nExpect: 100-continue\r\n" + length + "\r\n\r\n" + first
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	asked := make([]byte, len(goOn))
	if _, err := io.ReadFull(conn, asked); err != nil || string(asked) != goOn {
		t.Fatalf("got %q, %v", asked, err)
	}
	return conn
}
