package rejection

import (
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Why a refusal was not written down, or not looked into.
const (
	queueFull = "queue_full"
	unstored  = "not_stored"
	tooLarge  = "too_large"
	noRoom    = "no_room"
	noTime    = "no_time"
	// shuttingDown is at the end of the bridge.
	shuttingDown = "shutting_down"
)

// metrics counts what becomes of refusals.
type metrics struct {
	written, alike                prometheus.Counter
	dropped, unlooked, diagnosedN *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, l *Log) (*metrics, error) {
	m := &metrics{
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookbridge_rejections_written_total",
			Help: "Refused deliveries that were written to the rejection log.",
		}),
		alike: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookbridge_rejections_alike_total",
			Help: "Refused deliveries that were only counted, because too many alike were written down in that minute.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_rejections_dropped_total",
			Help: "Refused deliveries that the rejection log misses: the queue was full, or the store didn't take them.",
		}, []string{"reason"}),
		unlooked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_rejections_undiagnosed_total",
			Help: "Refused deliveries that were written down and not looked into: the body was too large, there was no room or time, or the bridge ended.",
		}, []string{"reason"}),
		diagnosedN: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_rejection_diagnoses_total",
			Help: "What was found out about refused deliveries, by kind.",
		}, []string{"kind"}),
	}
	if reg == nil {
		return m, nil
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.written, m.alike, m.dropped, m.unlooked, m.diagnosedN,
		gauge("hookbridge_rejections_queued", "Refused deliveries that wait to be looked into and written down.",
			func() float64 { return float64(len(l.queue)) }),
		gauge("hookbridge_rejections_queued_bytes", "Memory that they take; at most 4 MiB.",
			func() float64 { return float64(l.bytes.Load()) }),
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) diagnosed(kind hookbridgev1.Diagnosis_Kind) {
	m.diagnosedN.WithLabelValues(kindName(kind)).Inc()
}

// kindName is a kind without its prefix, in small letters.
func kindName(kind hookbridgev1.Diagnosis_Kind) string {
	return strings.ToLower(strings.TrimPrefix(kind.String(), "KIND_"))
}
