package ingest

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	outcomeStored      = "stored"
	outcomeDuplicate   = "duplicate"
	outcomeRefused     = "refused"
	outcomeFull        = "journal_full"
	outcomeUnavailable = "journal_unavailable"
	outcomeFailed      = "failed"

	// maxTypes bounds the label "type": a verified sender may still invent types without end.
	maxTypes = 500
)

// metrics counts verified deliveries.
type metrics struct {
	events *prometheus.CounterVec

	mu    sync.RWMutex
	types map[string]struct{}
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_events_total",
			Help: "Verified deliveries by source, event type, decoding state and outcome (stored, duplicate, refused, journal_full, journal_unavailable, failed). Types beyond the first 500, and types without a message, count as other.",
		}, []string{"source", "type", "decoding", "outcome"}),
		types: make(map[string]struct{}),
	}
	if reg == nil {
		return m, nil
	}
	return m, reg.Register(m.events)
}

func (m *metrics) count(event *hookbridgev1.Event, outcome string) {
	m.events.WithLabelValues(event.GetSource(), m.typeLabel(event), decodingLabel(event), outcome).Inc()
}

// typeLabel is the event's type where the schema knows it, and there is room.
func (m *metrics) typeLabel(event *hookbridgev1.Event) string {
	const other = "other"
	switch event.GetDecoding().GetState() {
	case hookbridgev1.Decoding_STATE_TYPED, hookbridgev1.Decoding_STATE_MISMATCH:
	default:
		return other
	}
	typ := event.GetType()
	m.mu.RLock()
	_, known := m.types[typ]
	full := len(m.types) >= maxTypes
	m.mu.RUnlock()
	if known {
		return typ
	}
	if full {
		return other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.types) >= maxTypes {
		return other
	}
	m.types[typ] = struct{}{}
	return typ
}

func decodingLabel(event *hookbridgev1.Event) string {
	switch event.GetDecoding().GetState() {
	case hookbridgev1.Decoding_STATE_TYPED:
		return "typed"
	case hookbridgev1.Decoding_STATE_UNTYPED:
		return "untyped"
	case hookbridgev1.Decoding_STATE_MISMATCH:
		return "mismatch"
	default:
		return "undecodable"
	}
}

func outcomeOfReceipt(r journal.Receipt) string {
	if r.Duplicate {
		return outcomeDuplicate
	}
	return outcomeStored
}

func outcomeOf(err error) string {
	switch {
	case errors.Is(err, fault.ErrJournalFull):
		return outcomeFull
	case errors.Is(err, fault.ErrJournalUnavailable):
		return outcomeUnavailable
	default:
		return outcomeFailed
	}
}
