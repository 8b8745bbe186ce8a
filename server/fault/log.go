package fault

import (
	"context"
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Refused is a refused request, as a log has it.
type Refused struct {
	// Source is the name of the source that it was for, empty where there is none.
	Source string
	// Status, Reason and RequestID are what its sender was told, Peer is who that was.
	Status                  int
	Reason, Peer, RequestID string
	// Text is what was wrong.
	Text string
}

// Log writes a line for refused requests, five a second after the first twenty: a flood of them must not fill the disk as well. A line says how
// many before it were left out, so that only of the last ones nothing is said; the metrics count them all. It is safe for concurrent use.
type Log struct {
	logger  *slog.Logger
	limiter *rate.Limiter
	skipped atomic.Int64
}

// NewLog returns a Log that writes to logger.
func NewLog(logger *slog.Logger) *Log {
	const perSecond, burst = 5, 20
	return &Log{logger: logger, limiter: rate.NewLimiter(perSecond, burst)}
}

// Write logs a refused request, with more about it behind what all lines have.
func (l *Log) Write(ctx context.Context, level slog.Level, r Refused, more ...slog.Attr) {
	if !l.limiter.Allow() {
		l.skipped.Add(1)
		return
	}
	attrs := append([]slog.Attr{
		slog.String("source", r.Source),
		slog.Int("status", r.Status),
		slog.String("reason", r.Reason),
		slog.String("peer", r.Peer),
		slog.String("request_id", r.RequestID),
		slog.String("error", r.Text),
	}, more...)
	if skipped := l.skipped.Swap(0); skipped > 0 {
		attrs = append(attrs, slog.Int64("not_logged_before", skipped))
	}
	l.logger.LogAttrs(ctx, level, "delivery refused", attrs...)
}
