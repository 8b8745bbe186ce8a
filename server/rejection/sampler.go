package rejection

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/delivery"
)

const (
	// span is the time in which at most perSpan refusals that are alike are written down one by one.
	span    = time.Minute
	perSpan = 10
	// perSecond and burst bound how many are written down of all kinds.
	perSecond, burst = 50, 200
	// maxSenders is how many kinds are told apart by their sender. Beyond it, those of a source and reason count as one.
	maxSenders = 4096
	// maxQuiet is how many are closed at a time.
	maxQuiet = 64
)

// likeness is what refusals that are alike have in common.
type likeness struct{ source, peer, reason string }

// sampler decides which refusals are written down, and counts the rest.
type sampler struct {
	mu      sync.Mutex
	all     *rate.Limiter
	windows map[likeness]*window
}

// window is what was seen of one kind.
type window struct {
	began   time.Time
	written int
	// alike are those that no entry counts yet, last is the last of them.
	alike int64
	last  delivery.Refusal
}

func newSampler() *sampler {
	return &sampler{all: rate.NewLimiter(perSecond, burst), windows: map[likeness]*window{}}
}

// take says whether a refusal is to be written down, and how many alike were not since the last one that was.
func (s *sampler) take(r *delivery.Refusal, now time.Time) (alike int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := likeness{r.Source, network(r.Peer), r.Reason}
	w, known := s.windows[key]
	if !known {
		if len(s.windows) >= maxSenders {
			key.peer = ""
		}
		if w, known = s.windows[key]; !known {
			w = &window{began: now}
			s.windows[key] = w
		}
	}
	if age := now.Sub(w.began); age >= span || age < 0 {
		w.began, w.written = now, 0
	}
	if w.written < perSpan && s.all.AllowN(now, 1) {
		alike, w.alike, w.last = w.alike, 0, delivery.Refusal{}
		w.written++
		return alike, true
	}
	w.alike++
	// The request is not kept: there may be thousands of windows.
	w.last = *r
	w.last.Request = nil
	return 0, false
}

// quiet is a kind that was not seen any more: its last refusal, and how many before it no entry counts.
type quiet struct {
	last  delivery.Refusal
	alike int64
}

// sweep forgets kinds whose time is over, and returns those that have something to be written down, at most a few at a time.
func (s *sampler) sweep(now time.Time) []quiet {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []quiet
	for key, w := range s.windows {
		if age := now.Sub(w.began); age < span && age >= 0 {
			continue
		}
		if w.alike > 0 {
			if len(over) == maxQuiet {
				continue
			}
			over = append(over, quiet{w.last, w.alike - 1})
		}
		delete(s.windows, key)
	}
	return over
}

// network is what one sender can choose its addresses from.
func network(peer string) string {
	addr, err := netip.ParseAddr(peer)
	if err != nil || !addr.Is6() {
		return peer
	}
	const sender = 64
	prefix, err := addr.WithZone("").Prefix(sender)
	if err != nil {
		return peer
	}
	return prefix.String()
}
