package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/internal/chance"
)

// TestNothingAcknowledgedIsLostToKill is guarantees 2, 3, 5 and 7 on the real binary: it is killed under load, again and again.
//
//   - every delivery that got 2xx is streamed, and has the sequence that its receipt said
//   - a delivery that got no answer is posted again after the restart, as providers do; no id is stored twice
//   - what was acknowledged does not come again
//   - what was outstanding comes at once: the ack deadline is an hour
func TestNothingAcknowledgedIsLostToKill(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	// When the bridge is killed is drawn; what it does just then is the machine's, and no seed has it again.
	random := chance.Of(chance.Seed(t))

	config := configFile(t, "")
	l := newLedger()
	bridge := start(t, config)
	for range kills {
		life := newLife(t, bridge, l, false)
		life.await(20 + random.IntN(400))
		bridge.kill(t)
		life.end()
		bridge = start(t, config)
	}
	last := newLife(t, bridge, l, true)
	last.await(100)
	last.posters.stop()
	last.awaitDelivery()
	last.end()
	l.check(t, stored(t, bridge))
	bridge.stop(t)
	t.Logf("%d kills: %d deliveries with 2xx, %d of them after a retry, %d streamed, %d acknowledged, %d sent again after a restart",
		kills, len(l.receipts), l.retried, len(l.delivered), len(l.acknowledged), l.again)
	if l.again == 0 || l.retried == 0 {
		t.Errorf("sent again after a restart: %d, retried: %d; want some of both, else this tested nothing", l.again, l.retried)
	}
}

// ledger is what the provider and the subscriber know, over all lives of the bridge.
type ledger struct {
	mu           sync.Mutex
	next         int
	unanswered   []string         // posted, and killed before the answer
	receipts     map[string]int64 // id -> sequence
	delivered    map[string]int64
	asked        map[string]bool   // in an Acknowledge that may have had no answer: whether it counted is not known
	acknowledged map[string]bool   // in an Acknowledge that was answered
	last         map[string]string // how it was streamed last
	ended        []error           // how the streams ended
	retried      int
	again        int
	wrong        []string
	changed      chan struct{} // closed and renewed whenever something above changes
}

func newLedger() *ledger {
	return &ledger{receipts: map[string]int64{}, delivered: map[string]int64{}, asked: map[string]bool{}, acknowledged: map[string]bool{}, last: map[string]string{}, changed: make(chan struct{})}
}

// update changes the ledger.
func (l *ledger) update(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) violated(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// take returns the id to post next.
func (l *ledger) take() (id string, retry bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.unanswered); n > 0 {
		id, l.unanswered = l.unanswered[n-1], l.unanswered[:n-1]
		return id, true
	}
	l.next++
	return fmt.Sprintf("delivery-%d", l.next), false
}

// until waits for a condition on the ledger.
func (l *ledger) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		l.mu.Lock()
		met, changed := condition(), l.changed
		l.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("%s did not happen in time; %d receipts, %d delivered, not acknowledged: %q; the streams ended with %v",
				what, len(l.receipts), len(l.delivered), l.missing(), l.ended)
		}
	}
}

// check compares the ledger with what the journal has.
func (l *ledger) check(t *testing.T, events map[string][]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wrong {
		t.Error(w)
	}
	for id, sequence := range l.receipts {
		if got, ok := l.delivered[id]; !ok || got != sequence {
			t.Errorf("%s got 2xx with sequence %d, and was streamed with sequence %d", id, sequence, got)
		}
		if at := events[id]; len(at) != 1 || at[0] != sequence {
			t.Errorf("%s got 2xx with sequence %d, and is stored at %v", id, sequence, at)
		}
	}
	for id, at := range events {
		if len(at) != 1 {
			t.Errorf("%s is stored %d times: %v", id, len(at), at)
		}
	}
}

// life is one life of the bridge, with its provider and its subscriber.
type life struct {
	t          *testing.T
	ledger     *ledger
	posters    *posters
	subscriber *subscriber
	before     int
}

func newLife(t *testing.T, bridge *process, l *ledger, acknowledgeAll bool) *life {
	l.mu.Lock()
	before := len(l.receipts)
	l.mu.Unlock()
	return &life{t: t, ledger: l, before: before, posters: post(t, bridge, l), subscriber: subscribe(t, bridge, l, acknowledgeAll)}
}

// await waits for so many more receipts, and for so many events to be streamed in all lives.
func (l *life) await(n int) {
	l.t.Helper()
	l.ledger.until(l.t, "the load", func() bool { return len(l.ledger.receipts) >= l.before+n && len(l.ledger.delivered) >= l.before })
}

// awaitDelivery waits until everything that has a receipt was streamed and acknowledged.
func (l *life) awaitDelivery() {
	l.t.Helper()
	l.ledger.until(l.t, "the delivery of everything", func() bool {
		return len(l.ledger.missing()) == 0
	})
}

// missing describes what has a receipt and was never acknowledged.
func (l *ledger) missing() []string {
	var all []string
	for id, sequence := range l.receipts {
		if !l.asked[id] {
			all = append(all, fmt.Sprintf("%s at %d, last streamed as %v", id, sequence, l.last[id]))
		}
	}
	slices.Sort(all)
	return all
}

func (l *life) end() {
	l.posters.stop()
	l.subscriber.stop()
}

// posters are a provider's connections.
type posters struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func (p *posters) stop() {
	p.cancel()
	p.work.Wait()
}

// post delivers until it is stopped or the bridge is gone.
func post(t *testing.T, bridge *process, l *ledger) *posters {
	ctx, cancel := context.WithCancel(t.Context())
	p := &posters{cancel: cancel}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: patience}
	const connections = 16
	for range connections {
		p.work.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				id, retry := l.take()
				receipt, status, err := deliver(ctx, client, bridge.http, id)
				l.update(func() {
					switch known, ok := l.receipts[id]; {
					case err != nil:
						l.unanswered = append(l.unanswered, id)
					case status != http.StatusOK:
						l.violated("%s: status %d", id, status)
					case ok && known != receipt:
						l.violated("%s: receipts with sequences %d and %d", id, known, receipt)
					default:
						l.receipts[id] = receipt
						if retry {
							l.retried++
						}
					}
				})
				if err != nil {
					return
				}
			}
		})
	}
	return p
}

// deliver posts one delivery, whose body is the same for all.
func deliver(ctx context.Context, client *http.Client, address, id string) (sequence int64, status int, err error) {
	return deliverBody(ctx, client, address, id, `{"event":"user_created","user_id":42}`)
}

// deliverBody posts a delivery with a signature.
func deliverBody(ctx context.Context, client *http.Client, address, id, body string) (sequence int64, status int, err error) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhooks/demo", strings.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("X-Delivery-Id", id)
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	var receipt struct {
		Sequence int64 `json:"sequence,string"`
	}
	if resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(answer, &receipt)
	}
	return receipt.Sequence, resp.StatusCode, err
}

func (s *subscriber) stop() {
	s.cancel()
	<-s.done
}

// note takes a delivery down.
func (l *ledger) note(d *hookbridgev1.Delivery) {
	id, sequence := d.GetEvent().GetId(), d.GetEvent().GetSequence()
	if l.acknowledged[id] {
		l.violated("%s was streamed after its acknowledgement was answered (attempt %d, %s)", id, d.GetAttempt(), d.GetReason())
	}
	if known, ok := l.delivered[id]; ok && known != sequence {
		l.violated("%s was streamed with sequences %d and %d", id, known, sequence)
	}
	if _, ok := l.delivered[id]; ok {
		l.again++
		// What was sent after the last commit of the subscription's record comes as new after a crash: attempts may count low.
		if d.GetReason() == hookbridgev1.Delivery_REASON_DEADLINE {
			l.violated("%s was streamed again because of its deadline, which is an hour", id)
		}
	}
	l.delivered[id] = sequence
	l.last[id] = fmt.Sprintf("%s (%s, attempt %d)", d.GetAckId(), d.GetReason(), d.GetAttempt())
}

// stored lists the journal: the sequences of every id.
func stored(t *testing.T, bridge *process) map[string][]int64 {
	t.Helper()
	conn, err := grpc.NewClient(bridge.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := hookbridgev1.NewEventServiceClient(conn)
	events, token := map[string][]int64{}, ""
	for {
		page, err := client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.GetEvents() {
			events[e.GetId()] = append(events[e.GetId()], e.GetSequence())
		}
		if token = page.GetNextPageToken(); token == "" {
			return events
		}
	}
}
