package subscription

import (
	"context"
	"errors"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/subscription/machine"
)

// How many dead letters are stored at a time, of all subscriptions together, how many of one of them before others have their turn,
// and after how many bytes of them a commit is made.
const (
	graveEvents = 256
	graveTurn   = 64
	graveBytes  = 4 << 20
)

// grave is a burial and whose it is.
type grave struct {
	*burial
	s *subscription
}

// take returns what is buried together next.
func (b *burier) take() []grave {
	var group []grave
	for len(group) < graveEvents {
		s := b.pop()
		if s == nil {
			break
		}
		some, more := s.laid(min(graveTurn, graveEvents-len(group)))
		for _, one := range some {
			group = append(group, grave{one, s})
		}
		if more {
			b.add(s)
		}
	}
	return group
}

// bury stores a group of dead letters, within the life of adds, and tells their machines.
func (b *burier) bury(ctx, adds context.Context, group []grave) {
	ctx, cancel := outlive(ctx)
	defer cancel()
	if err := b.digging.Acquire(ctx, 1); err != nil {
		unburied(group, err)
		return
	}
	defer b.digging.Release(1)
	if err := b.added(); err != nil {
		unburied(group, err)
		return
	}
	group = b.reckoned(ctx, group)
	sends := make([]machine.Send, len(group))
	for i, g := range group {
		sends[i] = machine.Send{Seq: g.letter.Seq, Copy: g.letter.Copy}
	}
	load := loader{m: b.m}
	read := func(sends []machine.Send) (*journal.Stored, error) {
		ctx, cancel := context.WithTimeout(ctx, putTimeout)
		defer cancel()
		return load.event(ctx, sends)
	}
	var batch []grave
	var entries []journal.SideEntry
	size := 0
	for i, g := range group {
		if !g.s.awaits(g.burial) {
			continue
		}
		ev, err := read(sends[i:])
		if err == nil && ev == nil {
			g.s.vanished(g.burial)
			continue
		}
		var payload []byte
		if err == nil {
			payload, err = encodeDeadLetter(g.s, g.letter, ev, b.m.wall())
		}
		if err != nil {
			b.trouble(err)
			g.s.unburied(g.burial, unburiable(err))
			if errors.Is(err, journal.ErrUnavailable) || errors.Is(err, journal.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
				// Neither can the others be read, and to find that out of each would take as long.
				unburied(group[i+1:], err)
				break
			}
			continue
		}
		batch, entries = append(batch, g), append(entries, journal.SideEntry{Owner: g.s.name, Payload: payload})
		if size += len(payload); size >= graveBytes {
			if err := b.store(ctx, adds, batch, entries); err != nil {
				// What else there is of the same subscriptions must not be accounted for before this is.
				unburied(group[i+1:], err)
				return
			}
			batch, entries, size = nil, nil, 0
		}
	}
	if len(batch) > 0 {
		_ = b.store(ctx, adds, batch, entries) // it has told everybody
	}
}

// store adds dead letters to the side log, all in one commit. Their events are settled after that, never before.
func (b *burier) store(ctx, adds context.Context, batch []grave, entries []journal.SideEntry) error {
	ids, err := b.addAll(ctx, adds, entries)
	b.m.deadCount.touch()
	if err != nil {
		b.trouble(err)
		if !errors.Is(err, journal.ErrRefused) {
			for _, g := range batch {
				b.unsure[g.s] = struct{}{}
			}
			b.doubtful = true
		}
		unburied(batch, err)
		return err
	}
	if b.failing {
		b.failing = false
		b.m.log.Info("dead letters can be stored again")
	}
	for i, g := range batch {
		g.s.buried(g.burial, ids[i])
	}
	return nil
}

func unburied(group []grave, err error) {
	for _, g := range group {
		g.s.unburied(g.burial, unburiable(err))
	}
}

// trouble is logged once, until something can be stored again.
func (b *burier) trouble(err error) {
	if !b.failing {
		b.failing = true
		b.m.log.Error("dead letters can't be stored; their events are kept, and it is tried again", "error", err)
	}
}

// unburiable gives an error in storing a dead letter the face that callers know.
func unburiable(err error) error {
	if errors.Is(err, journal.ErrFull) {
		return fault.Because(fault.Detail(fault.ErrJournalFull, "there is no room for dead letters; redrive or purge some"), err)
	}
	return fault.Because(fault.Detail(fault.ErrJournalUnavailable, "the dead letter can't be stored now; the bridge tries on"), err)
}
