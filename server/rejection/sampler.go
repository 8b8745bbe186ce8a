package rejection

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

const (
	// span is the time in which at most perSpan refusals that are alike are written down one by one, and at most lookedAt of a source, sender
	// and reason are looked into to find out whether they are.
	span              = time.Minute
	perSpan, lookedAt = 10, 60
	// perSecond and burst bound how many are looked at of all kinds.
	perSecond, burst = 50, 200
	// maxSenders is how many kinds are told apart by their sender. Beyond it, those of a source and reason count as one.
	maxSenders = 4096
	// maxQuiet is how many are closed at a time.
	maxQuiet = 64
)

// likeness is what refusals have in common that are counted together. Those that are alike have a finding in common, too.
type likeness struct{ source, peer, reason string }

// sampler decides which refusals are looked into and written down, and counts the rest.
type sampler struct {
	mu      sync.Mutex
	all     *rate.Limiter
	windows map[likeness]*window
	seed    maphash.Seed
}

// window is what was seen of one kind.
type window struct {
	began time.Time
	taken int
	// written has, for the hash of each finding, how many were written down; there are no more than were taken.
	written map[uint64]int
	// alike are those that no entry counts yet: passed were not taken, folded were, and had a finding that was written down often enough. since
	// is when the first of them came, last is the last of them.
	passed, folded int64
	since          time.Time
	last           delivery.Refusal
}

func newSampler() *sampler {
	return &sampler{all: rate.NewLimiter(perSecond, burst), windows: map[likeness]*window{}, seed: maphash.MakeSeed()}
}

// window returns the window of a kind.
func (s *sampler) window(source, peer, reason string, now time.Time) *window {
	key := likeness{source, network(peer), reason}
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
		w.began, w.taken, w.written = now, 0, nil
	}
	return w
}

// count notes one that is not written down. The request is not kept: there may be thousands of windows.
func (w *window) count(last delivery.Refusal) {
	if w.passed+w.folded == 0 {
		w.since = last.Time
	}
	w.last = last
	w.last.Request, w.last.Cause, w.last.Host = nil, nil, ""
}

// take says whether a refusal is to be looked into, and how many of its kind were not since the last one that was.
func (s *sampler) take(r *delivery.Refusal, now time.Time) (passed int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.window(r.Source, r.Peer, r.Reason, now)
	if w.taken < lookedAt && s.all.AllowN(now, 1) {
		passed, w.passed = w.passed, 0
		w.taken++
		return passed, true
	}
	w.count(*r)
	w.passed++
	return 0, false
}

// keep says whether a refusal that was looked into is to be written down, how many of its kind were not since the last one that was, and until when
// those alike are only counted: zero where they aren't. passed is what take returned for it.
func (s *sampler) keep(r *delivery.Refusal, finding string, passed int64, now time.Time) (alike int64, until time.Time, ok bool) {
	found := maphash.String(s.seed, finding)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.window(r.Source, r.Peer, r.Reason, now)
	if w.written[found] >= perSpan {
		w.count(*r)
		w.folded += passed + 1
		return 0, time.Time{}, false
	}
	if w.written == nil {
		w.written = map[uint64]int{}
	}
	w.written[found]++
	if w.written[found] == perSpan {
		until = w.began.Add(span)
	}
	alike, w.folded = passed+w.folded, 0
	if w.passed == 0 {
		w.last = delivery.Refusal{}
	}
	return alike, until, true
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
		if n := w.passed + w.folded; n > 0 {
			if len(over) == maxQuiet {
				continue
			}
			over = append(over, quiet{w.last, n - 1})
		}
		delete(s.windows, key)
	}
	return over
}

// counted returns what is counted now and in no entry yet, of one source or of all, those with the most first, at most a few.
func (s *sampler) counted(source string) []*hookbridgev1.CountedRejections {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*hookbridgev1.CountedRejections
	for key, w := range s.windows {
		if n := w.passed + w.folded; n > 0 && (source == "" || source == key.source) {
			list = append(list, &hookbridgev1.CountedRejections{
				Source: key.source, Peer: printable(key.peer), Reason: key.reason, Count: n, Since: timestamppb.New(w.since),
			})
		}
	}
	slices.SortFunc(list, func(a, b *hookbridgev1.CountedRejections) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), cmp.Compare(a.GetSource(), b.GetSource()),
			cmp.Compare(a.GetPeer(), b.GetPeer()), cmp.Compare(a.GetReason(), b.GetReason()))
	})
	return list[:min(len(list), maxQuiet)]
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
