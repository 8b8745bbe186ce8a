package schema

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// other stands in a label for what neither the configuration nor the schema names.
const other = "other"

// metrics counts outcomes; nil counts nothing.
type metrics struct {
	decodes, mismatches *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	if registerer == nil {
		return nil, nil
	}
	m := &metrics{
		decodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_decode_total",
			Help: "Documents decoded, by the element of the schema that claims their type (other: none does) and the outcome.",
		}, []string{"provider", "type", "state"}),
		mismatches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_decode_mismatch_total",
			Help: "Documents that did not fit the schema, by the field where they did not (other: none of the schema's).",
		}, []string{"provider", "type", "field"}),
	}
	for _, c := range []prometheus.Collector{m.decodes, m.mismatches} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return m, nil
}

// stateLabel is the name of a state in labels. Asking its descriptor each time is half a hundredth of a delivery.
func stateLabel(state hookbridgev1.Decoding_State) string {
	switch state {
	case hookbridgev1.Decoding_STATE_TYPED:
		return "typed"
	case hookbridgev1.Decoding_STATE_UNTYPED:
		return "untyped"
	case hookbridgev1.Decoding_STATE_MISMATCH:
		return "mismatch"
	case hookbridgev1.Decoding_STATE_UNDECODABLE:
		return "undecodable"
	}
	return "unspecified"
}

func (m *metrics) observe(provider string, c claim, decoded Decoded, found []violation) {
	if m == nil {
		return
	}
	element := other
	if c.message != nil {
		element = c.element
	}
	m.decodes.WithLabelValues(provider, element, stateLabel(decoded.Decoding.GetState())).Inc()
	if c.message == nil || len(found) == 0 {
		return
	}
	var labels []string
	for _, v := range found {
		label := v.label
		if label == "" {
			label = other
		}
		if !slices.Contains(labels, label) {
			labels = append(labels, label)
			m.mismatches.WithLabelValues(provider, element, label).Inc()
		}
	}
}
