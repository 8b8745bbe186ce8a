package rejection

import "time"

const (
	// share is which part of one processor diagnosing may take in the long run, reserve how much of it may be used at once.
	share   = 20
	reserve = 250 * time.Millisecond
)

// budget is the time for looking into refusals. It belongs to the worker. It goes by the real clock: what is bounded is real.
type budget struct {
	left time.Duration
	at   time.Time
}

func newBudget() budget { return budget{left: reserve, at: time.Now()} }

// open says whether there is time. One that has begun is finished, and may overdraw it by what the work for one takes.
func (b *budget) open() bool {
	now := time.Now()
	b.left = min(reserve, b.left+now.Sub(b.at)/share)
	b.at = now
	return b.left > 0
}

func (b *budget) spend(d time.Duration) { b.left -= d }
