package journal

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the journal counts. Without a registerer they are counted and not shown.
type metrics struct {
	appends                                 *prometheus.CounterVec
	stored                                  prometheus.Counter // of appends
	seconds, events                         prometheus.Histogram
	reopened, removed, overruns, unreadable prometheus.Counter
	erased                                  prometheus.Counter

	registerer prometheus.Registerer
	collectors []prometheus.Collector
}

const (
	metricPrefix  = "hookbridge_journal_"
	outcomeStored = "stored"
)

func newMetrics(s *Store, r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: metricPrefix + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricPrefix + name, Help: help}, f)
	}
	m := &metrics{
		registerer: r,
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPrefix + "appends_total",
			Help: "Appends by outcome: stored, duplicate, full, unavailable, too_large, closed, canceled, other.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricPrefix + "commit_seconds", Help: "How long making a group of events durable took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		events: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricPrefix + "commit_events", Help: "How many events shared a commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 13),
		}),
		reopened:   counter("reopens_total", "How often the store was opened anew after a failure."),
		removed:    counter("removed_events_total", "Sequences removed because of max_bytes."),
		overruns:   counter("hold_overruns_total", "Steps of retention that removed events which a subscription still needed."),
		erased:     counter("erased_events_total", "Events whose content was erased."),
		unreadable: counter("unreadable_events_total", "Messages in the journal that could not be decoded and were left out."),
	}
	m.stored = m.appends.WithLabelValues(outcomeStored)
	m.collectors = []prometheus.Collector{
		m.appends, m.seconds, m.events, m.reopened, m.removed, m.overruns, m.unreadable, m.erased,
		gauge("dead_letters", "Dead letters that are stored.", func() float64 { return float64(s.deadLetters.entries.Load()) }),
		gauge("dead_letter_bytes", "Bytes that the stored dead letters occupy.", func() float64 { return float64(s.deadLetters.usage.get()) }),
		gauge("dead_letter_max_bytes", "Bytes that the stored dead letters may occupy.", func() float64 { return float64(s.cfg.DeadLetterBytes) }),
		gauge("bytes", "Bytes that the stored events occupy.", func() float64 { return float64(s.usage.get()) }),
		gauge("first_sequence", "The first sequence that can be read.", func() float64 { return float64(s.tail.get().First) }),
		gauge("end_sequence", "The sequence after the last that can be read.", func() float64 { return float64(s.tail.get().End) }),
		gauge("free_bytes", "Free bytes on the journal's disk.", func() float64 { return float64(s.space.available()) }),
		gauge("up", "1 when the journal takes appends, 0 when it does not.", func() float64 {
			if s.Status() != nil {
				return 0
			}
			return 1
		}),
		gauge("index_disk_bytes", "Bytes that the index of ids takes on disk.", func() float64 { return s.indexSize() }),
	}
	if r == nil {
		return m, nil
	}
	for i, c := range m.collectors {
		if err := r.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.close()
			return nil, err
		}
	}
	return m, nil
}

// close takes the metrics back, so that the journal can be opened again in the same process.
func (m *metrics) close() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) commit(took time.Duration, events int) {
	m.seconds.Observe(took.Seconds())
	m.events.Observe(float64(events))
}

func (m *metrics) appended(r Receipt, err error) {
	if err == nil && !r.Duplicate {
		m.stored.Inc()
		return
	}
	m.appends.WithLabelValues(outcome(r, err)).Inc()
}

func outcome(r Receipt, err error) string {
	switch {
	case err == nil && r.Duplicate:
		return "duplicate"
	case err == nil:
		return outcomeStored
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	}
	return "other"
}

func (s *Store) indexSize() float64 {
	ix, release, err := s.index.use()
	if err != nil {
		return 0
	}
	defer release()
	return float64(ix.size())
}
