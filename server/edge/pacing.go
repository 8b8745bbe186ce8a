package edge

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/fault"
)

const (
	// forgedPerSecond is how many forged deliveries a second are answered at once, after the first forgedBurst. On two processors a thousand
	// cost a tenth of one.
	forgedPerSecond, forgedBurst = 500, 100
	// longestPause is how long the answer to one more waits at most. Then it is given, whatever that costs: connections that wait cost too.
	longestPause = time.Second
)

// pacing makes whoever forges deliveries wait for the answer when there are many of them: a sender that waits sends nothing meanwhile, and
// what it doesn't send takes no time from the deliveries that are verified. Nobody else waits but who names a key that can't be had now, as
// anybody can make one up. Its limit: a flood over many more
// connections than forgedPerSecond comes as fast as it can, a second later.
type pacing struct{ limiter *rate.Limiter }

func newPacing() pacing { return pacing{rate.NewLimiter(forgedPerSecond, forgedBurst)} }

// pause is how long the answer to a refused request waits.
func (p pacing) pause(err error, now time.Time) time.Duration {
	if !isSignature(err) && !errors.Is(err, fault.ErrUnknownSource) && !errors.Is(err, fault.ErrKeyUnavailable) &&
		!errors.Is(err, fault.ErrHandshakeRefused) && !errors.Is(err, fault.ErrHandshakeForbidden) {
		return 0
	}
	turn := p.limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > longestPause {
		turn.CancelAt(now)
		return longestPause
	}
	return wait
}

// rest waits, or until the sender is gone.
func rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
