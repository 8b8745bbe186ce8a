package subscription

import (
	"context"
	"log/slog"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/journal"
)

// ListDeadLetters implements hookbridge.v1.SubscriptionService.
func (v *Service) ListDeadLetters(ctx context.Context, req *hookbridgev1.ListDeadLettersRequest) (*hookbridgev1.ListDeadLettersResponse, error) {
	m, size := v.m, int(req.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	if size < 0 || size > maxPage {
		return nil, invalid("page_size", "want 0 to %d, got %d", maxPage, size)
	}
	f, err := m.filters.filter(req.GetFilter())
	if err != nil {
		return nil, err
	}
	c, err := newCursor(req)
	if err != nil {
		return nil, err
	}
	from := int64(1)
	if token := req.GetPageToken(); token != "" {
		if !validText(token, 1, maxToken) {
			return nil, invalid("page_token", "at most %d characters, got %d", maxToken, utf8.RuneCountInString(token))
		}
		if from, err = c.parse(token); err != nil {
			return nil, err
		}
	}
	s, err := v.find(ctx, "subscription", req.GetSubscription())
	if err != nil {
		return nil, err
	}
	if err := s.alive(); err != nil {
		return nil, err
	}
	l := letterListing{m: m, may: auth.From(ctx).MayRead, req: req, filter: f, size: size, redriven: s.redriven(), until: m.now() + m.askFor}
	next := int64(0)
	err = m.letters(ctx, s.name, from, func(e journal.SideEntry) (bool, error) {
		more, err := l.add(e)
		if !more {
			next = e.ID
		}
		return more, err
	})
	if err != nil {
		return nil, err
	}
	resp := &hookbridgev1.ListDeadLettersResponse{DeadLetters: l.letters}
	if next > 0 {
		resp.NextPageToken = c.token(next)
	}
	return resp, nil
}

// letterListing is one page of ListDeadLetters.
type letterListing struct {
	m        *Manager
	may      func(source, typ string) bool
	req      *hookbridgev1.ListDeadLettersRequest
	filter   *filter
	size     int
	redriven map[int64]struct{}

	// until is when an expression is asked no more.
	until time.Duration

	seen    int
	letters []*hookbridgev1.DeadLetter
	bytes   int
}

// listLetters is how many dead letters are looked at for a page: one of a rare type may be short.
const listLetters = 20_000

// add takes a dead letter into the page if it is wanted. It returns false when the page is full without it.
func (l *letterListing) add(e journal.SideEntry) (bool, error) {
	l.seen++
	late := l.filter.condition != nil && l.seen > 1 && l.m.now() >= l.until
	if len(l.letters) >= l.size || l.seen > listLetters || late {
		return false, nil
	}
	stored, ev, err := decodeDeadLetter(e)
	if err != nil {
		l.m.log.Error("a dead letter can't be read and is left out", "subscription", e.Owner, "error", err)
		return true, nil
	}
	if !l.may(ev.Source, ev.Type) {
		return true, nil
	}
	if passes, err := l.filter.lets(l.m, ev); err != nil || !passes {
		return true, err
	}
	event, err := l.m.event(ev, l.req.GetIncludeContent(), maxReply)
	if err != nil {
		return false, err
	}
	_, redriven := l.redriven[e.ID]
	out := &hookbridgev1.DeadLetter{
		Id: e.ID, Event: event, Reason: stored.GetReason(), Attempts: stored.GetAttempts(), Error: stored.GetError(),
		DeadLetteredAt: stored.GetDeadLetteredAt(), Redriven: redriven,
	}
	n := proto.Size(out) + 8
	if len(l.letters) > 0 && l.bytes+n > maxReply {
		return false, nil
	}
	l.letters, l.bytes = append(l.letters, out), l.bytes+n
	return true, nil
}

// purgeStep is how many dead letters are removed at a time.
const purgeStep = 1000

// PurgeDeadLetters implements hookbridge.v1.SubscriptionService.
func (v *Service) PurgeDeadLetters(ctx context.Context, req *hookbridgev1.PurgeDeadLettersRequest) (*hookbridgev1.PurgeDeadLettersResponse, error) {
	sel, err := v.m.filters.selection(req.GetSelection(), req.GetFromId())
	if err != nil {
		return nil, err
	}
	s, err := v.find(ctx, "subscription", req.GetSubscription())
	if err != nil {
		return nil, err
	}
	if err := s.arranging.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.arranging.Release(1)
	if err := s.alive(); err != nil {
		return nil, err
	}
	purged, next, err := v.m.purge(ctx, s, sel)
	v.m.deadCount.touch()
	v.m.audit(ctx, "purge dead letters", s.name, err, slog.String("selection", sel.String()), slog.Int("purged", purged))
	if err != nil {
		return nil, err
	}
	return &hookbridgev1.PurgeDeadLettersResponse{Purged: int64(purged), NextId: next}, nil
}

// purge removes dead letters that are not redriven, and returns how many, and the first that the selection's expression was not asked about.
func (m *Manager) purge(ctx context.Context, s *subscription, sel selection) (purged int, next int64, err error) {
	redriven, log := s.redriven(), m.journal.DeadLetters()
	if sel.all() && len(redriven) == 0 {
		n, err := log.Purge(ctx, s.name)
		return n, 0, journalFault(err)
	}
	var ids []int64
	flush := func() error {
		n, err := log.Remove(ctx, s.name, ids...)
		purged, ids = purged+n, ids[:0]
		return journalFault(err)
	}
	take := func(id int64) (bool, error) {
		if _, ok := redriven[id]; !ok {
			ids = append(ids, id)
		}
		if len(ids) < purgeStep {
			return true, nil
		}
		return true, flush()
	}
	switch {
	case sel.ids != nil: // Remove passes over those of others
		for _, id := range sel.ids {
			if _, err = take(id); err != nil {
				return purged, 0, err
			}
		}
	case sel.filter != nil:
		next, err = m.chosen(ctx, s.name, sel, func(l letter) (bool, error) { return take(l.id) })
	default:
		err = m.letters(ctx, s.name, sel.from, func(e journal.SideEntry) (bool, error) { return take(e.ID) })
	}
	if err == nil {
		err = flush()
	}
	return purged, next, err
}
