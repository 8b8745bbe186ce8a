package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/hookbridge/hookbridge/server/journal/natstest"
)

// TestMain fails when a bridge that was stopped left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promise is a sentence of what is promised, and what shows that it is kept.
type promise struct {
	sentence string
	kept     func(b *bridge)
}

// promises are all of them.
func promises() []promise {
	return []promise{
		{"Reject: retry now", rejectRetryNow},
		{"Reject: retry after a delay", rejectRetryAfter},
		{"Reject: dead-letter", rejectDeadLetter},
		{"ExtendDeadline gives more time, or less", extendDeadline},
		{"per subscription: ack deadline", ackDeadline},
		{"per subscription: the backoff schedule grows", backoffGrows},
		{"per subscription: max attempts, then the dead letter", maxAttempts},
		{"a dead letter is a whole copy, and survives a restart", deadLetterIsACopy},
		{"dead letters are bounded, and stored before the event is settled", deadLettersAreBounded},
		{"each delivery carries its attempt and why it is redelivered", attemptsAndReasons},
		{"window by count", windowByCount},
		{"window by bytes", windowByBytes},
		{"a dead stream's events go to another member at once", deadStream},
		{"dead peers are found by keepalive", deadPeer},
		{"heartbeats tell an idle client that it is up to date, with the journal's end", heartbeats},
		{"a slow member slows neither its group nor others", slowMember},
		{"acknowledging twice is fine", ackTwice},
		{"a stale ack_id is reported and not applied: later attempt", staleAttempt},
		{"a stale ack_id is reported and not applied: other member", staleMember},
		{"a stale ack_id is reported and not applied: earlier seek epoch", staleEpoch},
		{"a stale ack_id is reported and not applied: before a restart", staleRestart},
		{"ordered: one at a time, in order, across members and redeliveries, other keys in parallel", orderedKeys},
		{"ordered: also through a restart", orderedRestart},
		{"settled state survives a restart, and what was outstanding comes at once", restarted},

		{"filter: source and type patterns", filterPatterns},
		{"filter: an expression over the envelope and the typed data", filterExpression},
		{"filter: an unknown field or a wrong type points at the column", filterColumn},
		{"filter: what doesn't match costs nothing, and the position moves past it", filterCostsNothing},
		{"filter: with an expression the lag is an upper bound until examined, and says so", filterLag},

		{"seek: the beginning", seekBeginning},
		{"seek: a time", seekTime},
		{"seek: a sequence", seekSequence},
		{"seek: the end", seekEnd},
		{"seek: moves what is undelivered, leases stay", seekLeases},
		{"pause stops sending, and what is outstanding can be settled", pause},
		{"update: another filter decides about what is read from then on", updateFilter},
		{"create: who wants it made beforehand gets no other", made},
		{"delete: streams end, the name is free, and nothing is left", deleted},
		{"list: lag, outstanding, redelivered, dead-lettered, members and where they are", listed},
		{"dead letters: listed over pages", lettersListed},
		{"dead letters: redrive all", redriveAll},
		{"dead letters: redrive by id", redriveByID},
		{"dead letters: redrive by filter", redriveByFilter},
		{"dead letters: listed, redriven and purged by an expression", lettersByExpression},
		{"dead letters: redriven ones survive a restart", redriveRestart},
		{"dead letters: purge all, by id and by filter; redriven ones stay", purged},
		{"replay: a time range of a source or type, marked as replay, audited", replayRange},
		{"replay: rate-limited", replayRate},
		{"replay: cancellable", replayCancelled},
		{"replay: goes on after a restart", replayRestart},
		{"erase: an event that nobody has read, by sequence", eraseUnread},
		{"erase: an event and its dead letters, by id", eraseDead},
	}
}

// store is a kind of journal. open returns what is in its configuration for a new one.
type store struct {
	name string
	open func(t *testing.T) (journal func() string)
}

func stores() []store {
	return []store{
		{"embedded", func(*testing.T) func() string { return func() string { return "" } }},
		{"nats-server", func(t *testing.T) func() string {
			if testing.Short() {
				t.Skip("building nats-server takes a while")
			}
			url := natstest.Start(t)
			var last atomic.Int64
			return func() string { return fmt.Sprintf(`, nats: {url: %q, prefix: case%d, replicas: 1}`, url, last.Add(1)) }
		}},
	}
}

// together is how many cases run at a time: most of their time they wait.
const together = 10

// Each promise is kept on each journal, by a bridge as it is run in production.
func TestPromises(t *testing.T) {
	room := make(chan struct{}, together)
	var journals sync.WaitGroup
	for _, s := range stores() {
		journals.Go(func() {
			t.Run(s.name, func(t *testing.T) {
				journal := s.open(t)
				var running sync.WaitGroup
				for _, p := range promises() {
					room <- struct{}{}
					running.Go(func() {
						defer func() { <-room }()
						t.Run(p.sentence, func(t *testing.T) { p.kept(open(t, journal())) })
					})
				}
				running.Wait()
			})
		})
	}
	journals.Wait()
}
