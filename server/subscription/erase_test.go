package subscription

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

const (
	noSuchEvent   = "NotFound EVENT_NOT_FOUND: there is no such event, or none any more"
	noJournal     = "Unavailable JOURNAL_UNAVAILABLE: the journal can't be reached or can't write; try again"
	auditedErase  = "action=erase event subscription= principal=ops "
	auditedOnFire = " error=journal is unavailable: disk on fire"
)

// forgotten is longer than an id is known for.
const forgotten = 25 * time.Hour

func eraseBySequence(n int64) *hookbridgev1.EraseEventRequest {
	return &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Sequence{Sequence: n}}
}

func eraseByKey(id string) *hookbridgev1.EraseEventRequest {
	return &hookbridgev1.EraseEventRequest{Event: &hookbridgev1.EraseEventRequest_Key{Key: &hookbridgev1.EventKey{Source: "src", Id: id}}}
}

// there are the sequences of the events that the journal has.
func (b *bridge) there() (sequences []int64) {
	b.t.Helper()
	page, err := b.journal.Read(b.t.Context(), journal.Query{From: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range page.Events {
		sequences = append(sequences, e.Sequence)
	}
	return sequences
}

// mishap is a journal in which something goes wrong when an event is erased, as often as that is tried until it is well again.
type mishap struct {
	journal.Journal
	what atomic.Int32
}

const (
	well int32 = iota
	eventStays
	eventGoesUnanswered
	lettersStay
	oneLetterGoes
	lettersGoUnanswered
)

// Erase implements journal.Journal.
func (j *mishap) Erase(ctx context.Context, sequence int64) error {
	what := j.what.Load()
	if what == eventStays {
		return errFire
	}
	if err := j.Journal.Erase(ctx, sequence); err != nil {
		return err
	}
	if what == eventGoesUnanswered {
		return errFire
	}
	return nil
}

// DeadLetters implements journal.Journal.
func (j *mishap) DeadLetters() journal.SideLog { return mishapLog{j.Journal.DeadLetters(), j} }

type mishapLog struct {
	journal.SideLog
	of *mishap
}

// Erase implements journal.SideLog.
func (l mishapLog) Erase(ctx context.Context, owner string, ids ...int64) (int, error) {
	switch l.of.what.Load() {
	case lettersStay:
		return 0, errFire
	case oneLetterGoes:
		n, err := l.SideLog.Erase(ctx, owner, ids[0])
		if err != nil {
			return n, err
		}
		return n, errFire
	case lettersGoUnanswered:
		if _, err := l.SideLog.Erase(ctx, owner, ids...); err != nil {
			return 0, err
		}
		return 0, errFire
	}
	return l.SideLog.Erase(ctx, owner, ids...)
}

// onMishap runs a test on a journal of mishaps, whose audit is kept.
func onMishap(t *testing.T, test func(t *testing.T, b *bridge, j *mishap, log *auditLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := journalfake.New()
		j, log := &mishap{Journal: fake}, &auditLog{Handler: slog.DiscardHandler}
		b := startOn(&bridge{t: t, journal: fake}, j, func(cfg *Config) {
			cfg.Logger, cfg.Principal = slog.New(log), func(context.Context) string { return "ops" }
		})
		test(t, b, j, log)
		if err := b.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// erasures returns what was logged of them since it was last asked.
func (l *auditLog) erasures() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line, ok := strings.CutPrefix(line, auditedErase); ok {
			lines = append(lines, line)
		}
	}
	l.lines = nil
	return lines
}

// An id is known for the dedupe window, and beyond it by a dead letter of its event: by that the event is erased too. Without one it is
// erased by its sequence alone.
func TestAnEventWhoseIDIsForgottenIsErased(t *testing.T) {
	for name, tc := range map[string]struct {
		req     *hookbridgev1.EraseEventRequest
		letters int // of the event
		trimmed bool
		want    *hookbridgev1.EraseEventResponse // nil for none found
		left    []int64
	}{
		"by its sequence":                     {eraseBySequence(1), 0, false, &hookbridgev1.EraseEventResponse{Sequence: 1}, []int64{2}},
		"by its sequence, with a dead letter": {eraseBySequence(1), 1, false, &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1}, []int64{2}},
		"by its key":                          {eraseByKey("1"), 0, false, nil, []int64{1, 2}},
		"by its key, with a dead letter":      {eraseByKey("1"), 1, false, &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1}, []int64{2}},
		"by its key, with two":                {eraseByKey("1"), 2, false, &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 2}, []int64{2}},
		"by its key, when retention took it":  {eraseByKey("1"), 1, true, &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1}, []int64{2}},
	} {
		t.Run(name, func(t *testing.T) {
			onMishap(t, func(t *testing.T, b *bridge, _ *mishap, log *auditLog) {
				b.fill(2, "push")
				b.establish(&hookbridgev1.Subscription{Name: "a"})
				kept := b.letter("a", 2)
				for range tc.letters {
					b.letter("a", 1)
				}
				elapse(forgotten)
				if _, err := b.journal.Lookup(t.Context(), "src", "1"); err == nil {
					t.Fatal("the id is known still")
				}
				if tc.trimmed {
					b.journal.Trim(2)
				}
				resp, err := b.client.EraseEvent(t.Context(), tc.req)
				if tc.want == nil {
					refused(t, err, noSuchEvent)
					equal(t, "audit", log.erasures(), []string(nil))
				} else {
					equal(t, "answer", resp, tc.want)
					equal(t, "error", err, nil)
				}
				equal(t, "events", b.there(), tc.left)
				ids, _ := b.left("a")
				equal(t, "dead letters", ids, []int64{kept})
				log.erasures()
				_, err = b.client.EraseEvent(t.Context(), tc.req)
				refused(t, err, noSuchEvent)
				equal(t, "audit", log.erasures(), []string(nil))
			})
		})
	}
}

// An id that came again after it was forgotten has two events. By the key both are erased as far as they are known, and each is in the
// audit; of a type that may not be read nothing is erased, and it doesn't keep the other one.
func TestAnIDOfTwoEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		grants  *auth.Grants // nil for all
		want    *hookbridgev1.EraseEventResponse
		left    []int64
		letters []int64
		audit   []string
	}{
		"both": {
			nil, &hookbridgev1.EraseEventResponse{Sequence: 2, DeadLetters: 2}, nil, nil,
			[]string{"sequence=1 dead_letters=1", "sequence=2 dead_letters=1"},
		},
		"the older may be read": {
			&auth.Grants{Sources: []string{"src"}, Types: []string{"push"}, Manage: true},
			&hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1}, []int64{2}, []int64{2}, []string{"sequence=1 dead_letters=1"},
		},
		"the newer may be read": {
			&auth.Grants{Sources: []string{"src"}, Types: []string{"pull"}, Manage: true},
			&hookbridgev1.EraseEventResponse{Sequence: 2, DeadLetters: 1}, []int64{1}, []int64{1}, []string{"sequence=2 dead_letters=1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onMishap(t, func(t *testing.T, b *bridge, _ *mishap, log *auditLog) {
				b.establish(&hookbridgev1.Subscription{Name: "a"})
				b.append(entry(7, "push", 10))
				elapse(forgotten)
				b.append(entry(7, "pull", 10))
				b.letter("a", 1)
				b.letter("a", 2)
				caller := b
				if tc.grants != nil {
					token := auth.NewToken()
					b.replace(of("caller", token, *tc.grants))
					caller = b.as(token)
				}
				resp, err := caller.client.EraseEvent(t.Context(), eraseByKey("7"))
				equal(t, "error", err, nil)
				equal(t, "answer", resp, tc.want)
				equal(t, "events", b.there(), tc.left)
				_, got := deadLetters(t, b.journal, "a")
				var letters []int64
				for _, d := range got {
					letters = append(letters, d.Seq)
				}
				equal(t, "dead letters", letters, tc.letters)
				equal(t, "audit", log.erasures(), tc.audit)
				_, err = caller.client.EraseEvent(t.Context(), eraseByKey("7"))
				refused(t, err, noSuchEvent)
			})
		})
	}
}

// Whatever goes wrong amid an erasure, to ask for it again finishes it, by the sequence and by the key, and says what was left to be done
// then. What failed is in the audit, too.
func TestAnErasureThatFailedIsFinishedByTheNextCall(t *testing.T) {
	onFire := func(n string) string { return "sequence=1 dead_letters=" + n + auditedOnFire }
	for name, tc := range map[string]struct {
		what    int32
		note    bool // can't be written
		events  []int64
		letters int // of two
		audit   string
		then    *hookbridgev1.EraseEventResponse // nil where nothing was left
		audited []string
	}{
		"the note can't be written": {
			well, true, []int64{1, 2}, 2, onFire("0"), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 2}, []string{"sequence=1 dead_letters=2"},
		},
		"the event can't be erased": {
			eventStays, false, []int64{1, 2}, 2, onFire("0"), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 2}, []string{"sequence=1 dead_letters=2"},
		},
		"it isn't known whether the event is": {
			eventGoesUnanswered, false, []int64{2}, 2, onFire("0"), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 2}, []string{"sequence=1 dead_letters=2"},
		},
		"the dead letters can't be": {
			lettersStay, false, []int64{2}, 2, onFire("0"), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 2}, []string{"sequence=1 dead_letters=2"},
		},
		"one dead letter is": {
			oneLetterGoes, false, []int64{2}, 1, onFire("1"), &hookbridgev1.EraseEventResponse{Sequence: 1, DeadLetters: 1}, []string{"sequence=1 dead_letters=1"},
		},
		"it isn't known whether the dead letters are": {
			lettersGoUnanswered, false, []int64{2}, 0, onFire("0"), nil, nil,
		},
	} {
		for how, way := range map[string]struct {
			req  *hookbridgev1.EraseEventRequest
			wait time.Duration
		}{
			"by sequence":                           {eraseBySequence(1), 0},
			"by key":                                {eraseByKey("1"), 0},
			"by the key of an id that is forgotten": {eraseByKey("1"), forgotten},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				onMishap(t, func(t *testing.T, b *bridge, j *mishap, log *auditLog) {
					b.fill(2, "push")
					b.establish(&hookbridgev1.Subscription{Name: "a"})
					b.letter("a", 1)
					b.letter("a", 1)
					elapse(way.wait)
					if tc.note {
						// Only where it isn't known which dead letters are stored, something is noted.
						b.unknown("b", b.patient("b").deliveries(2)[1])
						b.journal.FailRecords(errFire)
					}
					j.what.Store(tc.what)
					_, err := b.client.EraseEvent(t.Context(), way.req)
					refused(t, err, noJournal)
					equal(t, "events", b.there(), tc.events)
					_, letters := deadLetters(t, b.journal, "a")
					equal(t, "dead letters", len(letters), tc.letters)
					equal(t, "audit", log.erasures(), []string{tc.audit})

					j.what.Store(well)
					b.journal.FailRecords(nil)
					resp, err := b.client.EraseEvent(t.Context(), way.req)
					if tc.then == nil {
						refused(t, err, noSuchEvent)
					} else {
						equal(t, "error", err, nil)
						equal(t, "then", resp, tc.then)
					}
					equal(t, "audit of that", log.erasures(), tc.audited)
					equal(t, "events in the end", b.there(), []int64{2})
					_, letters = deadLetters(t, b.journal, "a")
					equal(t, "dead letters in the end", len(letters), 0)
				})
			})
		}
	}
}

// An event that may be erased, and may be not, is sent from memory to nobody; nor is one that was erased only after that was answered, and
// had been read again by then, once the call is repeated.
func TestAnErasureThatMayHaveFailedForgetsTheEvent(t *testing.T) {
	for name, late := range map[string]bool{"at once": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			onMishap(t, func(t *testing.T, b *bridge, j *mishap, _ *auditLog) {
				b.fill(3, "push")
				var s *stream
				var first []*hookbridgev1.Delivery
				readAhead := func() {
					s, _ = b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a", Start: beginning(), MaxOutstandingEvents: 1})
					first = s.deliveries(1)
					synctest.Wait() // the rest is read ahead
				}
				if late {
					j.what.Store(eventStays)
				} else {
					readAhead()
					j.what.Store(eventGoesUnanswered)
				}
				_, err := b.client.EraseEvent(t.Context(), eraseBySequence(2))
				refused(t, err, noJournal)
				if late {
					readAhead()
					if err := b.journal.Erase(t.Context(), 2); err != nil {
						t.Fatal(err)
					}
					_, err := b.client.EraseEvent(t.Context(), eraseBySequence(2))
					refused(t, err, noSuchEvent)
				}
				s.ack(first...)
				equal(t, "what was read ahead", s.recv().GetGap(), &hookbridgev1.Gap{FromSequence: 2, ToSequence: 3})
				equal(t, "then", short(s.delivery()), run(3, 3, 1, reasonNew))
			})
		})
	}
}
