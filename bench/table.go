package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what is printed: what was measured, how much it was, and whether that is enough.
type table struct{ rows []row }

type row struct{ what, figure, target, verdict string }

// add appends a figure that nothing is expected of.
func (t *table) add(what, format string, args ...any) {
	t.rows = append(t.rows, row{what: what, figure: fmt.Sprintf(format, args...)})
}

// judge appends a figure with its target.
func (t *table) judge(what, figure, target string, met bool) {
	verdict := "MISSED"
	if met {
		verdict = "ok"
	}
	t.rows = append(t.rows, row{what, figure, target, verdict})
}

// String is the whole table.
func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "what\tfigure\ttarget\t")
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.figure, r.target, r.verdict)
	}
	_ = w.Flush()
	return b.String()
}

// quantile returns the value below which a share of the values lies. It sorts them.
func quantile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(share*float64(len(values))))]
}

// median returns the middle one. It sorts them.
func median[T int | float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// list is all of some latencies.
func list(values []time.Duration) string {
	var all []string
	for _, d := range values {
		all = append(all, ms(d))
	}
	return strings.Join(all, "  ")
}

// spread is how latencies are printed.
func spread(values []time.Duration) string {
	return fmt.Sprintf("p50 %s  p99 %s", ms(quantile(values, 0.5)), ms(quantile(values, 0.99)))
}
