package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// other stands in a label for what neither the configuration nor the schema names.
const other = "other"

// metrics counts outcomes; nil counts nothing.
type metrics struct {
	decodes, mismatches *prometheus.CounterVec
	// states are the labels of the states. Making one each time is half a hundredth of a delivery.
	states map[hookbridgev1.Decoding_State]string
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	if registerer == nil {
		return nil, nil
	}
	m := &metrics{
		states: map[hookbridgev1.Decoding_State]string{},
		decodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_decode_total",
			Help: "Documents decoded, by the element of the schema that claims their type (other: none does) and the outcome.",
		}, []string{"provider", "type", "state"}),
		mismatches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_decode_mismatch_total",
			Help: "Documents that did not fit the schema, by the field where they did not (other: none of the schema's).",
		}, []string{"provider", "type", "field"}),
	}
	for state, name := range hookbridgev1.Decoding_State_name {
		m.states[hookbridgev1.Decoding_State(state)] = strings.ToLower(strings.TrimPrefix(name, "STATE_"))
	}
	for _, c := range []prometheus.Collector{m.decodes, m.mismatches} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observe(provider string, c claim, decoded Decoded, found []violation) {
	if m == nil {
		return
	}
	element := other
	if c.message != nil {
		element = c.element
	}
	m.decodes.WithLabelValues(provider, element, m.states[decoded.Decoding.GetState()]).Inc()
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
