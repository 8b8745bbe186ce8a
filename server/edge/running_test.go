package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
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

// However deliveries come, none runs when Finish has returned, and it returns although they go on coming.
func TestNothingRunsAfterFinish(t *testing.T) {
	for range 200 {
		r := newRunning()
		var comers sync.WaitGroup
		over := make(chan struct{})
		late := make(chan struct{}, 1)
		for range 4 {
			comers.Go(func() {
				for n := 0; n < 1000; n++ {
					if !r.enter() {
						continue
					}
					select {
					case <-over:
						select {
						case late <- struct{}{}:
						default:
						}
					default:
					}
					r.leave()
				}
			})
		}
		r.phase.Store(draining)
		if err := r.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(over)
		comers.Wait()
		if len(late) > 0 {
			t.Fatal("a delivery ran after Finish had returned")
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
	if n := b.handler.Cut(); n != len(cut) {
		t.Errorf("it cut off %d of %d", n, len(cut))
	}
	for name, conn := range cut {
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") || !strings.Contains(string(answer), `"SHUTTING_DOWN"`) ||
			!strings.Contains(string(answer), "\r\nRetry-After: 1\r\n") || !strings.Contains(string(answer), "\r\nConnection: close\r\n") {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
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
