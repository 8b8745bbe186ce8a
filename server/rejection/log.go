package rejection

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	// format is that of stored entries.
	format = 1
	// maxQueued is how many refusals wait for the worker, maxQueuedBytes how much of them is in memory.
	maxQueued      = 256
	maxQueuedBytes = 4 << 20
	// maxBody is the largest body that is looked into, or kept.
	maxBody = 64 << 10
	// sweepEvery is how often senders are looked for that have gone quiet.
	sweepEvery = 30 * time.Second
	// drainFor is how long the worker goes on at the end.
	drainFor = 2 * time.Second
)

// Config is what a Log needs.
type Config struct {
	// Store keeps the entries.
	Store journal.RingLog
	// Bodies says that bodies are kept too.
	Bodies bool
	// Logger gets a line for each entry, a few a second. nil means that nothing is logged.
	Logger *slog.Logger
	// Registerer takes the metrics, named hookbridge_rejection*. nil means none are kept.
	Registerer prometheus.Registerer
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Log is the log of refused deliveries. It is safe for concurrent use.
type Log struct {
	cfg       Config
	metrics   *metrics
	sampler   *sampler
	lines     *fault.Log
	queue     chan *item
	bytes     atomic.Int64 // in the queue
	budget    budget
	memory    memory
	followers followers
	ended     chan struct{}
	endOnce   sync.Once
}

// item is a refusal on its way to the store.
type item struct {
	entry *hookbridgev1.RefusedDelivery
	// request is nil where it can't be looked into.
	request *delivery.Request
	host    string
	cause   error
	bytes   int64
	// refusal is what it is of, without the request; passed is how many the sampler passed over before it. nil for one that only counts others.
	refusal *delivery.Refusal
	passed  int64
}

// New returns an empty log. Nothing is written before Run.
func New(cfg Config) (*Log, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Log{
		cfg: cfg, sampler: newSampler(), lines: fault.NewLog(cfg.Logger),
		queue: make(chan *item, maxQueued), budget: newBudget(), ended: make(chan struct{}),
	}
	l.followers.ended = l.ended
	var err error
	l.metrics, err = newMetrics(cfg.Registerer, l)
	return l, err
}

// Refused takes a refusal. It doesn't block, and keeps of the request what the queue has room for.
func (l *Log) Refused(r *delivery.Refusal) {
	passed, ok := l.sampler.take(r, l.cfg.Now())
	if !ok {
		l.metrics.alike.Inc()
		return
	}
	l.put(l.itemOf(r, passed))
}

// itemOf copies what is needed of a refusal: its own memory is accounted for by nobody.
func (l *Log) itemOf(r *delivery.Refusal, passed int64) *item {
	bare := *r
	bare.Request, bare.Cause, bare.Host = nil, nil, ""
	it := &item{entry: entryOf(r, 0), cause: r.Cause, refusal: &bare, passed: passed}
	if r.Request == nil || !diagnosable(r.Reason) && !l.cfg.Bodies {
		return it
	}
	if len(r.Request.Body) > maxBody {
		l.unexamined(it, tooLarge)
		return it
	}
	size := int64(len(r.Request.Body) + len(r.Host))
	if u := r.Request.URL; u != nil {
		size += int64(len(u.Path) + len(u.RawQuery))
	}
	for name, values := range r.Request.Header {
		for _, value := range values {
			size += int64(len(name) + len(value))
		}
	}
	if l.bytes.Add(size) > maxQueuedBytes {
		l.bytes.Add(-size)
		l.unexamined(it, noRoom)
		return it
	}
	it.bytes = size
	kept := *r.Request
	// The document may be in memory that belongs to the request.
	kept.Header, kept.Body, kept.Document = r.Request.Header.Clone(), append([]byte(nil), r.Request.Body...), nil
	if l.cfg.Bodies {
		it.entry.Body = kept.Body
	}
	if diagnosable(r.Reason) {
		it.request, it.host = &kept, r.Host
	}
	return it
}

// put queues an item, or drops it.
func (l *Log) put(it *item) {
	select {
	case l.queue <- it:
	default:
		l.bytes.Add(-it.bytes)
		l.metrics.dropped.WithLabelValues(queueFull).Inc()
	}
}

// Run works the queue off until the context ends, and then for a short while what is still in it. It returns nil.
func (l *Log) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case it := <-l.queue:
			l.work(ctx, it)
		case <-sweep.C:
			for _, quiet := range l.sampler.sweep(l.cfg.Now()) {
				l.put(&item{entry: entryOf(&quiet.last, quiet.alike)})
			}
		case <-ctx.Done():
			l.drain(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// drain writes down what is queued, without looking into it.
func (l *Log) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case it := <-l.queue:
			if it.request != nil {
				it.request = nil
				l.unexamined(it, shuttingDown)
			}
			l.work(ctx, it)
		default:
			return
		}
	}
}

// Shutdown ends the streams of those who follow. It doesn't wait for them.
func (l *Log) Shutdown() { l.endOnce.Do(func() { close(l.ended) }) }

// work looks into one refusal, writes it down and tells who follows.
func (l *Log) work(ctx context.Context, it *item) {
	defer l.bytes.Add(-it.bytes)
	if it.request != nil {
		if l.budget.open() {
			// Reading all packs is done once and is no delivery's share of the time.
			if known := l.memory.current.Load(); known != nil {
				known.packs()
			}
			begun := time.Now()
			it.entry.Diagnoses = l.examine(ctx, it)
			l.budget.spend(time.Since(begun))
			for _, d := range it.entry.GetDiagnoses() {
				l.metrics.diagnosed(d.GetKind())
			}
		} else {
			l.unexamined(it, noTime)
		}
	}
	if !l.kept(it) {
		l.metrics.alike.Inc()
		return
	}
	l.line(ctx, it.entry)
	err := l.store(ctx, it.entry)
	// Not before: who is told of one finds it in the list, where it could be stored.
	l.followers.send(it.entry)
	if err != nil {
		l.metrics.dropped.WithLabelValues(unstored).Inc()
		l.cfg.Logger.DebugContext(ctx, "a refusal was not written down", "request_id", it.entry.GetRequestId(), "error", err)
		return
	}
	l.metrics.written.Inc()
}

// kept says whether a refusal is written down, and puts into its entry what is only counted before and after it.
func (l *Log) kept(it *item) bool {
	if it.refusal == nil {
		return true
	}
	alike, until, ok := l.sampler.keep(it.refusal, findingOf(it.entry), it.passed, l.cfg.Now())
	if it.entry.Alike = alike; !until.IsZero() {
		it.entry.CountedUntil = timestamppb.New(until)
	}
	return ok
}

func (l *Log) store(ctx context.Context, entry *hookbridgev1.RefusedDelivery) error {
	payload, err := proto.Marshal(&storagev1.StoredRejection{Format: format, Rejection: entry})
	if err != nil {
		return err
	}
	_, err = l.cfg.Store.Add(ctx, entry.GetSource(), payload)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		// The end came in between; there is a while left.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
		defer cancel()
		_, err = l.cfg.Store.Add(late, entry.GetSource(), payload)
	}
	return err
}

// line logs a refusal.
func (l *Log) line(ctx context.Context, entry *hookbridgev1.RefusedDelivery) {
	var more []slog.Attr
	if found := entry.GetDiagnoses(); len(found) > 0 {
		more = append(more, slog.String("diagnosis", found[0].GetMessage()))
	}
	if n := entry.GetAlike(); n > 0 {
		more = append(more, slog.Int64("alike", n))
	}
	l.lines.Write(ctx, slog.LevelWarn, fault.Refused{
		Source: entry.GetSource(), Status: int(entry.GetStatus()), Reason: entry.GetReason(), Peer: entry.GetPeer(), RequestID: entry.GetRequestId(),
		Text: entry.GetMessage(),
	}, more...)
}
