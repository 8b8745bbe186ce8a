package rejection

import (
	"errors"
	"runtime"
	"strings"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

// proof is a signature that is right.
type proof struct {
	signature.Match
	// late is set for a token that is out of its time, refuted for one with a claim, or a digest, that isn't what it has to be.
	late, refuted *signature.AfterProof
}

// spend takes work, if there is as much.
func (x *examination) spend(work int) bool {
	if x.left < work {
		x.cut = true
		return false
	}
	if before := x.left / slice; before != (x.left-work)/slice {
		// A core that works at this for 20 ms on end is one that no delivery gets.
		runtime.Gosched()
	}
	x.left -= work
	return true
}

// prove tries one scheme with its keys, without regard of the clock. It returns no error where one of the keys made the signature, whatever
// else is wrong.
func (x *examination) prove(p provider.Prover, r *delivery.Request) (right proof, err error) {
	each := perTry + len(r.Body)
	if name := p.Scheme.Algorithm(); !strings.HasPrefix(name, "hmac-") && !strings.HasPrefix(name, "sha") && p.Scheme.CoversBody() {
		each += perPublicKey
	}
	// A token that is out of its time is looked at again in its time.
	for range 2 {
		if !x.spend(each * max(1, p.Keys())) {
			return proof{}, errNoWork
		}
		if right.Match, err = p.Prove(r); err == nil {
			return right, nil
		}
		after, ok := errors.AsType[*signature.AfterProof](err)
		if !ok {
			return right, err
		}
		if after.At.IsZero() {
			right.Key, right.refuted = after.Key, after
			return right, nil
		}
		right.Key, right.late = after.Key, after
		inTime := *r
		inTime.ReceivedAt = after.At
		r = &inTime
	}
	return right, nil
}

var errNoWork = errors.New("no work left")

// any tries several and returns the first that is right.
func (x *examination) any(list []provider.Prover, r *delivery.Request) (provider.Prover, proof, bool) {
	for _, p := range list {
		if right, err := x.prove(p, r); err == nil {
			return p, right, true
		}
	}
	return provider.Prover{}, proof{}, false
}

// whole is any for changes of what is signed: nothing else may be wrong then.
func (x *examination) whole(list []provider.Prover, r *delivery.Request) (provider.Prover, proof, bool) {
	for _, p := range list {
		if right, err := x.prove(p, r); err == nil && right.refuted == nil {
			return p, right, true
		}
	}
	return provider.Prover{}, proof{}, false
}

// clock compares the time of a signature that is right with that of its arrival.
func (x *examination) clock(scheme *signature.Scheme, right proof) {
	const kind = hookbridgev1.Diagnosis_KIND_CLOCK
	now := x.request.ReceivedAt.UTC().Format(time.RFC3339)
	const held = "by the bridge's clock it is %s: if that is right, the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP"
	const ahead = "by the bridge's clock it is %s: see that both machines get the time by NTP"
	if right.late != nil {
		if age := x.request.ReceivedAt.Sub(right.late.At); age > 0 {
			x.add(kind, "the token is right, but expired %s ago, by %s; "+held, seconds(age), right.late.What, now)
		} else {
			x.add(kind, "the token is right, but by %s is not valid for another %s; "+ahead, right.late.What, seconds(-age), now)
		}
		return
	}
	tolerance := x.own.Tolerance(scheme)
	if tolerance == 0 {
		tolerance, _ = scheme.Tolerance()
	}
	age := x.request.ReceivedAt.Sub(right.Time)
	if right.Time.IsZero() || tolerance == 0 || age.Abs() <= tolerance {
		return
	}
	if age < 0 {
		x.add(kind, "the signature is right, but made %s in the future, where %s are allowed; "+ahead, seconds(-age), seconds(tolerance), now)
		return
	}
	x.add(kind, "the signature is right, but made %s ago, where %s are allowed; "+held, seconds(age), seconds(tolerance), now)
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }
