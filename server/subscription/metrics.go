package subscription

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

const (
	// maxLabels bounds the names that metrics tell apart, by age; the others share one label.
	maxLabels      = 1000
	labelOther     = "other"
	labelEphemeral = "(ephemeral)"
)

// counters count for one subscription. Those that share a label share them.
type counters = *labelCounters

type labelCounters struct {
	delivered, acknowledged, lost, examined, failed atomic.Uint64
	redelivered                                     [len(reasons)]atomic.Uint64
	// rejected count by action, buried by why; unburied counts dead letters that could not be stored at once.
	rejected [len(actionLabels)]atomic.Uint64
	buried   [len(deathLabels)]atomic.Uint64
	unburied atomic.Uint64
}

func (c *labelCounters) sent(why machine.Reason) {
	c.delivered.Add(1)
	if why != machine.First {
		c.redelivered[why].Add(1)
	}
}

// redelivery are the labels of why something is sent again.
var redelivery = map[machine.Reason]string{
	machine.Deadline: "deadline", machine.StreamLost: "stream_lost", machine.Restart: "restart", machine.Rejected: "rejected",
	machine.Redriven: "redriven", machine.Replay: "replay",
}

// actionLabels are the labels of what clients want to become of what they reject, deathLabels those of why events are given up.
var (
	actionLabels = [...]string{
		machine.Retry: "retry", machine.RetryNow: "retry_now", machine.RetryAfter: "retry_after", machine.Bury: "dead_letter",
	}
	deathLabels = [...]string{machine.ForGood: "rejected", machine.TooManyAttempts: "max_attempts"}
)

// totals collects the metrics of all subscriptions when they are asked for.
type totals struct {
	m                                          *Manager
	lag, age, outstanding, members             *prometheus.Desc
	delivered, redelivered, acknowledged, lost *prometheus.Desc
	examined, failed                           *prometheus.Desc
	rejected, buried, unburied, dead           *prometheus.Desc

	mu     sync.Mutex
	labels map[string]*labelCounters
	names  map[string]string
}

func newTotals(m *Manager) *totals {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("hookbridge_subscription_"+name, help, append([]string{"subscription"}, labels...), nil)
	}
	return &totals{
		m: m, labels: map[string]*labelCounters{}, names: map[string]string{},
		lag:          desc("lag_events", "Sequences that were not read yet, matching or not, and events that are outstanding."),
		age:          desc("lag_seconds", "Age of the oldest event that is not settled; 0 when there is none. Looked up every few seconds where nobody is connected."),
		outstanding:  desc("outstanding_events", "Events that were given to a member, or are to be redelivered, and are not settled."),
		members:      desc("members", "Streams that are connected."),
		delivered:    desc("delivered_total", "Events sent, redeliveries included."),
		redelivered:  desc("redelivered_total", "Events sent again, by why.", "reason"),
		rejected:     desc("rejected_total", "Events that clients gave back, by what they asked for.", "action"),
		buried:       desc("dead_lettered_total", "Events that became dead letters, by why.", "reason"),
		unburied:     desc("dead_letter_failures_total", "Dead letters that could not be stored and are tried again."),
		dead:         desc("dead_letters", "Dead letters that are stored, as counted some seconds ago."),
		acknowledged: desc("acknowledged_total", "Events settled by an acknowledgement."),
		examined:     desc("examined_total", "Events that the filter's expression was asked about."),
		failed:       desc("filter_errors_total", "Events that did not pass because the filter's expression can't be evaluated on them."),
		lost:         desc("missed_sequences_total", "Sequences that retention removed before the subscription read them."),
	}
}

// label returns the label of a subscription and makes its counters.
func (t *totals) label(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	label, known := t.names[name]
	switch {
	case known:
	case name == "":
		label = labelEphemeral
	case len(t.names) < maxLabels:
		label = name
		t.names[name] = name
	default:
		label = labelOther
	}
	if t.labels[label] == nil {
		t.labels[label] = &labelCounters{}
	}
	return label
}

// forget makes room for another label when a subscription is deleted.
func (t *totals) forget(label string) {
	if label == labelOther || label == labelEphemeral {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.names, label)
	delete(t.labels, label)
}

func (t *totals) counters(label string) counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.labels[label]
}

// Describe implements prometheus.Collector.
func (t *totals) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{t.lag, t.age, t.outstanding, t.members, t.delivered, t.redelivered, t.acknowledged, t.lost, t.examined, t.failed, t.rejected, t.buried, t.unburied, t.dead} {
		out <- d
	}
}

// gauges are what is summed, or for ages the largest, of the subscriptions that share a label.
type gauges struct{ lag, outstanding, members, age, dead float64 }

// Collect implements prometheus.Collector.
func (t *totals) Collect(out chan<- prometheus.Metric) {
	end, now := t.m.journal.Bounds().End, t.m.wall()
	sums := map[string]*gauges{}
	for s := range t.m.everyone() {
		g := sums[s.label]
		if g == nil {
			g = &gauges{}
			sums[s.label] = g
		}
		s.gauge(g, end, now)
	}
	emit := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(d, t, v, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(d, err)
		}
		out <- metric
	}
	gauge := func(d *prometheus.Desc, v float64, label string) { emit(d, prometheus.GaugeValue, v, label) }
	for label, g := range sums {
		gauge(t.lag, g.lag, label)
		gauge(t.age, g.age, label)
		gauge(t.outstanding, g.outstanding, label)
		gauge(t.members, g.members, label)
		gauge(t.dead, g.dead, label)
	}
	count := func(d *prometheus.Desc, v *atomic.Uint64, labels ...string) {
		emit(d, prometheus.CounterValue, float64(v.Load()), labels...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for label, c := range t.labels {
		count(t.delivered, &c.delivered, label)
		count(t.acknowledged, &c.acknowledged, label)
		count(t.lost, &c.lost, label)
		count(t.examined, &c.examined, label)
		count(t.failed, &c.failed, label)
		count(t.unburied, &c.unburied, label)
		for action, name := range actionLabels[machine.Retry:] {
			count(t.rejected, &c.rejected[machine.Retry+machine.Action(action)], label, name)
		}
		for why, name := range deathLabels[machine.ForGood:] {
			count(t.buried, &c.buried[machine.ForGood+machine.Death(why)], label, name)
		}
		for why, name := range redelivery {
			count(t.redelivered, &c.redelivered[why], label, name)
		}
	}
}

// everyone returns all subscriptions, the ephemeral ones too.
func (m *Manager) everyone() map[*subscription]struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[*subscription]struct{}, len(m.subs)+len(m.streams))
	for _, s := range m.subs {
		all[s] = struct{}{}
	}
	for s := range m.streams {
		all[s] = struct{}{}
	}
	return all
}

// gauge adds a subscription's state.
func (s *subscription) gauge(g *gauges, end int64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	position := s.position()
	g.lag += float64(max(0, end-position) + int64(s.machine.Held()))
	g.outstanding += float64(s.machine.Held())
	g.members += float64(len(s.members))
	if !s.ephemeral {
		g.dead += float64(s.m.deadCount.of(s.name))
	}
	if at, ok := s.oldest(position, end); ok {
		g.age = max(g.age, now.Sub(at).Seconds())
	}
}
