package rejection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/provider"
)

// refusal is a forged delivery to the source acme.
func refusal(peer string, n int, body []byte) *delivery.Refusal {
	return &delivery.Refusal{
		RequestID: fmt.Sprint(n), Time: time.Now(), Source: "acme", Peer: peer, Status: 401, Reason: "SIGNATURE_MISMATCH", Message: "no",
		Request: &delivery.Request{
			Method: http.MethodPost, Header: http.Header{"X-Acme-Signature": {strings.Repeat("0", 64)}}, Body: body, ReceivedAt: time.Now(),
		},
		BodyBytes: int64(len(body)),
	}
}

// written is what a store has, the oldest first, each as its request id, source and alike.
func written(t *testing.T, store journal.RingLog) []string {
	t.Helper()
	l := &Log{cfg: Config{Store: store, Logger: slog.New(slog.DiscardHandler)}, sampler: newSampler()}
	var all []string
	for token := ""; ; {
		page, err := l.List(t.Context(), &hookbridgev1.ListRejectionsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.GetRejections() {
			all = append([]string{fmt.Sprintf("%s %s +%d", r.GetPeer(), r.GetRequestId(), r.GetAlike())}, all...)
		}
		if token = page.GetNextPageToken(); token == "" {
			return all
		}
	}
}

// run runs a log in a bubble, and returns what ends it.
func run(t *testing.T, l *Log) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}

// Under a flood ten a minute of each sender are written down one by one; the rest is counted, in the next entry alike or in one that
// follows when it is over. All of it is in the metrics.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, registry := journalfake.New().Rejections(), prometheus.NewPedanticRegistry()
		l, err := New(Config{Store: store, Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		end := run(t, l)
		flood := func(peer string, from, to int) {
			for n := from; n < to; n++ {
				l.Refused(refusal(peer, n, nil))
			}
			synctest.Wait()
		}
		// So that its minute is over between two sweeps.
		time.Sleep(sweepEvery / 3)
		flood("192.0.2.1", 0, 100)
		flood("192.0.2.2", 0, 3)
		// Of one network of IPv6, which is one sender's, the addresses don't count.
		flood("2001:db8::1", 0, 8)
		flood("2001:db8::2", 8, 16)
		time.Sleep(span)
		flood("192.0.2.1", 100, 102)
		var want []string
		for n := range 10 {
			want = append(want, fmt.Sprintf("192.0.2.1 %d +0", n))
		}
		for n := range 3 {
			want = append(want, fmt.Sprintf("192.0.2.2 %d +0", n))
		}
		for n := range 10 {
			want = append(want, fmt.Sprintf("2001:db8::%d %d +0", 1+n/8, n))
		}
		want = append(want, "192.0.2.1 100 +90", "192.0.2.1 101 +0", "2001:db8::2 15 +5")
		time.Sleep(2 * span)
		synctest.Wait()
		if diff := cmp.Diff(want, written(t, store)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		end()
		const metrics = `
# HELP hookbridge_rejections_alike_total Refused deliveries that were only counted, because too many alike were written down in that minute.
# TYPE hookbridge_rejections_alike_total counter
hookbridge_rejections_alike_total 96
# HELP hookbridge_rejections_written_total Refused deliveries that were written to the rejection log.
# TYPE hookbridge_rejections_written_total counter
hookbridge_rejections_written_total 26
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(metrics), "hookbridge_rejections_alike_total", "hookbridge_rejections_written_total"); err != nil {
			t.Error(err)
		}
	})
}

// However many senders there are, what is remembered of them is bounded, and nothing is lost from the count.
func TestVeryManySenders(t *testing.T) {
	s, now := newSampler(), time.Now()
	const senders, each = 3 * maxSenders, 2
	total := int64(0)
	for n := range senders * each {
		r := refusal(fmt.Sprintf("10.%d.%d.%d", n%senders>>16, n%senders>>8&255, n%senders&255), n, nil)
		if alike, ok := s.take(r, now); ok {
			total += alike + 1
		}
	}
	if n := len(s.windows); n > maxSenders+1 {
		t.Errorf("%d windows", n)
	}
	for n := 0; len(s.windows) > 0; n++ {
		if n > maxSenders {
			t.Fatalf("%d windows are left", len(s.windows))
		}
		for _, q := range s.sweep(now.Add(span)) {
			if q.last.Request != nil {
				t.Fatal("a request was kept")
			}
			total += q.alike + 1
		}
	}
	if total != senders*each {
		t.Errorf("want %d counted, got %d", senders*each, total)
	}
}

// stuck is a store that takes nothing until it is let go.
type stuck struct {
	journal.RingLog
	let chan struct{}
}

func (s *stuck) Add(ctx context.Context, owner string, payload []byte) (int64, error) {
	select {
	case <-s.let:
		return s.RingLog.Add(ctx, owner, payload)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// When the store is stuck the queue fills up to its bounds and the rest is dropped; nobody who refuses waits. When it goes on, or the
// bridge ends, what is queued is written down.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{journalfake.New().Rejections(), make(chan struct{})}
		l, err := New(Config{Store: store, Bodies: true, Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		end := run(t, l)
		body := make([]byte, maxBody)
		const sent = 2 * maxQueued
		for n := range sent {
			l.Refused(refusal(fmt.Sprintf("192.0.%d.%d", n>>8, n&255), n, body))
			if n%burst == burst-1 {
				time.Sleep(5 * time.Second)
			}
			synctest.Wait()
		}
		// One is with the worker.
		if got := testutil.ToFloat64(l.metrics.dropped.WithLabelValues(queueFull)); got != sent-maxQueued-1 {
			t.Errorf("want %d dropped, got %v", sent-maxQueued-1, got)
		}
		if b := l.bytes.Load(); b > maxQueuedBytes || b < maxQueuedBytes-2*maxBody {
			t.Errorf("%d bytes are queued", b)
		}
		if got := testutil.ToFloat64(l.metrics.unlooked.WithLabelValues(noRoom)); got < sent-maxQueuedBytes/maxBody {
			t.Errorf("%v had no room", got)
		}
		close(store.let)
		end()
		if got := len(written(t, store)); got != maxQueued+1 {
			t.Errorf("want %d written, got %d", maxQueued+1, got)
		}
		if b := l.bytes.Load(); b != 0 {
			t.Errorf("%d bytes are left over", b)
		}
	})
}

// failing is a store that is in trouble.
type failing struct{ journal.RingLog }

func (failing) Add(context.Context, string, []byte) (int64, error) {
	return 0, fmt.Errorf("%w: for a test", journal.ErrUnavailable)
}

func (failing) Before(context.Context, journal.RingQuery) (journal.RingPage, error) {
	return journal.RingPage{}, fmt.Errorf("%w: for a test", journal.ErrUnavailable)
}

// What can't be read, of a bridge of a later version, hides nothing else.
func TestAnUnreadableEntryIsLeftOut(t *testing.T) {
	store := journalfake.New().Rejections()
	add := func(stored *storagev1.StoredRejection) {
		t.Helper()
		payload, err := proto.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Add(t.Context(), "acme", payload); err != nil {
			t.Fatal(err)
		}
	}
	add(&storagev1.StoredRejection{Format: format, Rejection: &hookbridgev1.RefusedDelivery{RequestId: "1", Peer: "a"}})
	add(&storagev1.StoredRejection{Format: format + 1, Rejection: &hookbridgev1.RefusedDelivery{RequestId: "2", Peer: "a"}})
	add(&storagev1.StoredRejection{Format: format, Rejection: &hookbridgev1.RefusedDelivery{RequestId: "3", Peer: "a"}})
	if diff := cmp.Diff([]string{"a 1 +0", "a 3 +0"}, written(t, store)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Trouble of the store is counted, and said to who lists; who follows is sent what comes, and the log has its line.
func TestStoreInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		l, err := New(Config{Store: failing{}, Logger: slog.New(slog.NewTextHandler(&lines, nil)), Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		s := follow(t, l, "")
		end := run(t, l)
		l.Refused(refusal("192.0.2.1", 7, nil))
		synctest.Wait()
		if got := s.take(); len(got) != 1 || got[0] != "7 -0" {
			t.Errorf("followed %q", got)
		}
		if got := testutil.ToFloat64(l.metrics.dropped.WithLabelValues(unstored)); got != 1 {
			t.Errorf("%v were not stored", got)
		}
		if _, err := l.List(t.Context(), &hookbridgev1.ListRejectionsRequest{}); !errors.Is(err, fault.ErrJournalUnavailable) {
			t.Errorf("want the journal to be unavailable, got %v", err)
		}
		end()
		l.Shutdown()
		if err := <-s.ended; !errors.Is(err, fault.ErrShuttingDown) {
			t.Errorf("the stream ended with %v", err)
		}
		if !strings.Contains(lines.String(), "source=acme status=401 reason=SIGNATURE_MISMATCH peer=192.0.2.1 request_id=7 error=no\n") {
			t.Errorf("the log says %s", lines.String())
		}
	})
}

// The time for looking into refusals is a twentieth of the clock's, and a quarter of a second in advance. What finds none is written down as it is.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget()
		b.spend(reserve + 100*time.Millisecond) // twenty times that is to be waited for
		for _, c := range []struct {
			wait time.Duration
			open bool
		}{{0, false}, {1900 * time.Millisecond, false}, {200 * time.Millisecond, true}, {time.Hour, true}} {
			time.Sleep(c.wait)
			if got := b.open(); got != c.open {
				t.Errorf("after %v more: %v", c.wait, got)
			}
		}
		if b.left != reserve {
			t.Errorf("after an hour %v are left", b.left)
		}
		store := journalfake.New().Rejections()
		l, err := New(Config{Store: store, Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		l.SetSources(builtin(t), []*provider.Source{newSource(t, "acme", parsePack(t, acme), "a secret of acme")})
		l.budget.spend(2 * reserve)
		end := run(t, l)
		l.Refused(refusal("192.0.2.1", 1, nil))
		l.Refused(refusal("192.0.2.1", 2, make([]byte, maxBody+1)))
		synctest.Wait()
		end()
		if got := written(t, store); len(got) != 2 {
			t.Errorf("written: %q", got)
		}
		for reason, want := range map[string]float64{noTime: 1, tooLarge: 1, noRoom: 0} {
			if got := testutil.ToFloat64(l.metrics.unlooked.WithLabelValues(reason)); got != want {
				t.Errorf("%s: want %v, got %v", reason, want, got)
			}
		}
	})
}
