package edge

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookbridge/hookbridge/server/fault"
)

// metrics counts and times the answers to senders.
type metrics struct {
	answers *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// stored counts and times the answers of 200 to one source: looking their labels up each time is a hundredth of a delivery.
type stored struct {
	answers prometheus.Counter
	seconds prometheus.Observer
}

func (m *metrics) stored(source string) *stored {
	return &stored{m.answers.WithLabelValues(source, "200", ""), m.seconds.WithLabelValues(source, "2xx")}
}

func (s *stored) observe(took time.Duration) {
	s.answers.Inc()
	s.seconds.Observe(took.Seconds())
}

func newMetrics(reg prometheus.Registerer, b *budget) (*metrics, error) {
	m := &metrics{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookbridge_deliveries_total",
			Help: "Requests of providers by source, HTTP status and reason (empty for success; see ErrorReason). Unknown sources count as other.",
		}, []string{"source", "status", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hookbridge_delivery_seconds",
			Help:    "Time from a request's head to the end of the answer, by source and class of the status (2xx, 4xx, 5xx).",
			Buckets: []float64{.0005, .001, .002, .004, .008, .015, .03, .06, .125, .25, .5, 1, 2, 5, 10},
		}, []string{"source", "class"}),
	}
	if reg == nil {
		return m, nil
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hookbridge_bodies_in_flight_bytes",
		Help: "Memory that bodies of deliveries take now, verified or not; at most http.max_in_flight.",
	}, func() float64 { return float64(b.used.Load()) })
	if err := errors.Join(reg.Register(m.answers), reg.Register(inFlight)); err != nil {
		return nil, err
	}
	return m, reg.Register(m.seconds)
}

func (m *metrics) observe(source string, status int, err error, took time.Duration) {
	reason := ""
	if err != nil {
		reason = fault.Reason(err)
	}
	m.answers.WithLabelValues(source, strconv.Itoa(status), reason).Inc()
	m.seconds.WithLabelValues(source, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

// recorder remembers the status of an answer. At the end each answer is the last one of its connection: one that stays open is closed over
// whatever its sender posts next.
type recorder struct {
	http.ResponseWriter
	running *running
	status  int
}

// WriteHeader remembers the first status.
func (r *recorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

// Write is an implied 200.
func (r *recorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) begin(status int) {
	if r.status != 0 {
		return
	}
	r.status = status
	if r.running.ending() {
		r.Header().Set("Connection", "close")
	}
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
