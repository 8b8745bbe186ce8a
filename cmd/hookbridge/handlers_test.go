package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/chance"
)

// The environment that makes the test binary a subscriber in a process of its own, which can be killed.
const (
	subscriberAddress = "HOOKBRIDGE_TEST_SUBSCRIBER"
	subscriberLog     = "HOOKBRIDGE_TEST_SUBSCRIBER_LOG"
)

// subscriberProcess notes every call of its handler, and every event whose acknowledgement was answered, in the order in which they
// happened. What it has written outlives it.
func subscriberProcess(address, path string) error {
	log, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	note := func(what string, ids ...string) {
		mu.Lock()
		defer mu.Unlock()
		var b strings.Builder
		for _, id := range ids {
			fmt.Fprintf(&b, "%s %s\n", what, id)
		}
		// Its process ends when it can't be written: the test finds out.
		if _, err := log.WriteString(b.String()); err != nil {
			os.Exit(exitFailure)
		}
	}
	var ids sync.Map // of ids, by ack_id
	c, err := client.Dial(address, client.WithGRPC(
		grpc.WithChainStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := next(ctx, d, cc, method, o...)
			return &deliveries{s, &ids}, err
		}),
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, resp any, cc *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) error {
			err := next(ctx, method, req, resp, cc, o...)
			ack, ok := req.(*hookbridgev1.AcknowledgeRequest)
			answer, isAnswer := resp.(*hookbridgev1.AcknowledgeResponse)
			if err != nil || !ok || !isAnswer {
				return err
			}
			refused := map[string]bool{}
			for _, f := range answer.GetFailures() {
				refused[f.GetAckId()] = true
			}
			var settled []string
			for _, ackID := range ack.GetAckIds() {
				if id, known := ids.LoadAndDelete(ackID); known && !refused[ackID] {
					if text, isText := id.(string); isText {
						settled = append(settled, text)
					}
				}
			}
			note("acknowledged", settled...)
			return nil
		})))
	if err != nil {
		return err
	}
	return c.Subscribe(context.Background(), "ledger", client.From(client.Beginning()), client.AckDeadline(time.Hour), client.AckBatch(100, 100*time.Millisecond),
		client.Otherwise(func(_ context.Context, e *client.Event) error {
			note("called", e.GetId())
			return nil
		}))
}

// deliveries learns which event an ack_id is of.
type deliveries struct {
	grpc.ClientStream
	ids *sync.Map
}

func (d *deliveries) RecvMsg(m any) error {
	err := d.ClientStream.RecvMsg(m)
	if r, ok := m.(*hookbridgev1.SubscribeResponse); ok && err == nil && r.GetDelivery() != nil {
		d.ids.Store(r.GetDelivery().GetAckId(), r.GetDelivery().GetEvent().GetId())
	}
	return err
}

// TestHandlersSeeEveryEvent kills the bridge and a subscriber of the Go SDK in turn, under load: every id that got 2xx reaches the handler,
// and one comes again only where its acknowledgement was not answered.
func TestHandlersSeeEveryEvent(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 6
	}
	random := chance.Of(chance.Seed(t))
	config := configFile(t, "")
	bridge := start(t, config)
	fix(t, config, bridge)
	path := filepath.Join(t.TempDir(), "calls")
	subscriber := startSubscriber(t, bridge.grpc, path)

	web, address := &http.Client{Timeout: 10 * time.Second}, bridge.http
	var taken sync.Map
	var posted atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var posters sync.WaitGroup
	for n := range 4 {
		posters.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("event-%d-%d", n, i)
				for ctx.Err() == nil {
					if _, status, err := deliver(ctx, web, address, id); err == nil && status == http.StatusOK {
						break
					}
					pause(ctx, 5*time.Millisecond)
				}
				if ctx.Err() == nil {
					taken.Store(id, true)
					posted.Add(1)
				}
			}
		})
	}
	for n := range kills {
		from := posted.Load()
		await(t, fmt.Sprintf("%d more events before kill %d", 20, n), func() bool { return posted.Load() >= from+20 })
		pause(ctx, time.Duration(random.IntN(60))*time.Millisecond)
		if n%2 == 0 {
			bridge.kill(t)
			bridge = start(t, config)
			continue
		}
		// Killed while an acknowledgement is due, or it would not matter.
		await(t, "a call whose acknowledgement is not answered yet", func() bool { return unanswered(t, path) })
		if err := subscriber.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = subscriber.Wait() // it says that it was killed
		subscriber = startSubscriber(t, bridge.grpc, path)
	}
	stop()
	posters.Wait()

	var calls, repeats, answered int
	await(t, "a call of the handler for every event", func() bool {
		seen, settled := map[string]int{}, map[string]bool{}
		missing := false
		calls, repeats = 0, 0
		for what, id := range readCalls(t, path) {
			switch what {
			case "called":
				if settled[id] {
					t.Fatalf("%s came again after its acknowledgement was answered", id)
				}
				if seen[id]++; seen[id] > 1 {
					repeats++
				}
				calls++
			case "acknowledged":
				settled[id] = true
			}
		}
		taken.Range(func(id, _ any) bool {
			text, ok := id.(string)
			missing = missing || ok && seen[text] == 0
			return !missing
		})
		answered = len(settled)
		return !missing
	})
	t.Logf("%d kills: %d events with 2xx, %d calls of the handler, %d of them repeats, none after its acknowledgement was answered (%d were)",
		kills, posted.Load(), calls, repeats, answered)
	if repeats == 0 {
		t.Error("nothing came again: this tested nothing")
	}
	if err := subscriber.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = subscriber.Wait()
}

// await returns when a condition is met.
func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !met() {
		if pause(ctx, 10*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("%s did not happen in time", what)
		}
	}
}

// pause waits, at most as long as the context.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readCalls yields what the subscribers noted, in order. A line that was cut off by a kill was not noted.
func readCalls(t *testing.T, path string) func(func(what, id string) bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return func(yield func(string, string) bool) {
		for line := range strings.Lines(string(text)) {
			if what, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && strings.HasSuffix(line, "\n") && !yield(what, id) {
				return
			}
		}
	}
}

// unanswered says whether a call has no answered acknowledgement yet.
func unanswered(t *testing.T, path string) bool {
	t.Helper()
	open := map[string]bool{}
	for what, id := range readCalls(t, path) {
		if what == "called" {
			open[id] = true
		} else {
			delete(open, id)
		}
	}
	return len(open) > 0
}

// startSubscriber starts the test binary as a subscriber.
func startSubscriber(t *testing.T, address, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), subscriberAddress+"="+address, subscriberLog+"="+path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
