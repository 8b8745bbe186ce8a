package rejection

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

const (
	// most is the work for one refusal, in bytes hashed; it is about 20 ms.
	most = 12 << 20
	// perTry is what trying one key costs besides the body, perPublicKey what it costs with a public key.
	perTry, perPublicKey = 2 << 10, 96 << 10
	// slice is the work after which everything else goes first: some 100 µs.
	slice = 64 << 10
)

// diagnosable says for which reasons there is something to find out.
func diagnosable(reason string) bool {
	switch reason {
	case "SIGNATURE_MISSING", "SIGNATURE_MALFORMED", "SIGNATURE_MISMATCH", "TIMESTAMP_OUT_OF_TOLERANCE":
		return true
	}
	return false
}

// examine finds out why a delivery was refused. A panic is a defect of this one and of no other.
func (l *Log) examine(ctx context.Context, it *item) (found []*hookbridgev1.Diagnosis) {
	defer func() {
		if p := recover(); p != nil {
			l.cfg.Logger.ErrorContext(ctx, "looking into a refusal failed", "request_id", it.entry.GetRequestId(),
				"error", fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			found = nil
		}
	}()
	known := l.memory.current.Load()
	if known == nil {
		return nil
	}
	// A source that a reload took away in between was never one here.
	own, ok := known.byName[it.entry.GetSource()]
	if !ok {
		return nil
	}
	x := &examination{
		sources: known, own: own, request: it.request, host: it.host, left: most,
		message: it.entry.GetMessage(), reason: it.entry.GetReason(), cause: it.cause,
	}
	x.run()
	return x.found
}

// examination is the search for what is wrong with one delivery. Everything in it is tried on the delivery itself.
type examination struct {
	*sources
	own     *provider.Source
	request *delivery.Request
	host    string
	// message is what the sender was told, cause the error that it is about.
	message string
	reason  string
	cause   error
	// left is the work that may still be done; cut says that something was left out for want of it.
	left  int
	cut   bool
	tried tried
	found []*hookbridgev1.Diagnosis
}

// tried counts what was tried and found wrong.
type tried struct{ former, others, public, readings, urls, bodies int }

func (x *examination) add(kind hookbridgev1.Diagnosis_Kind, format string, args ...any) {
	x.found = append(x.found, &hookbridgev1.Diagnosis{Kind: kind, Message: fmt.Sprintf(format, args...)})
}

// run tries what is likely and cheap first, and ends with the first that is right: one signature has one cause.
func (x *examination) run() {
	provers := x.own.Provers()
	if len(provers) == 0 {
		return // no scheme: the source has no secret yet
	}
	o := x.asIsToday(provers)
	if o.published && !o.explained {
		x.publishedKeys()
		return
	}
	if o.explained {
		return
	}
	if o.refuted != nil {
		x.claimed(o)
		return
	}
	if o.wrong == nil {
		x.absent(provers, o)
		return
	}
	for _, try := range []func() bool{
		x.formerSecrets, x.otherSources, x.publicSecrets, x.keyForms, x.urls, x.otherSchemes, x.otherSettings, x.bodies,
	} {
		if try() {
			return
		}
	}
	x.offeredSchemes()
	x.otherProviders()
	x.nothing(o)
}

// opening is what the source's own schemes and secrets say of the delivery.
type opening struct {
	// explained says that they have said all. published, that only the provider has the keys.
	explained, published bool
	// refuted is a proof with a claim that isn't what it has to be.
	refuted *proof
	// wrong is the error of the scheme that decided, decided that scheme; missing that of one whose signature isn't there.
	wrong, missing error
	decided        provider.Prover
	// unmet are the schemes whose conditions the delivery doesn't meet.
	unmet []provider.Prover
}

// asIsToday goes through the source's schemes as the source itself does.
func (x *examination) asIsToday(provers []provider.Prover) (o opening) {
	for _, p := range provers {
		condition, unmet := p.Unmet(x.request)
		right, err := x.prove(p, x.request)
		some, partly := errors.AsType[*signature.SomeRight](err)
		switch {
		case err == nil && unmet:
			x.right(p, right, hookbridgev1.Diagnosis_KIND_CONDITION, "it is right by %s's scheme %q, under secrets[%d], but that counts only where %s, which is not so",
				x.own.Pack().Name(), p.Scheme.Name(), right.Key, condition)
			o.explained = true
			return o
		case unmet:
			o.unmet = append(o.unmet, p)
			continue
		case err == nil && o.wrong != nil:
			x.right(p, right, hookbridgev1.Diagnosis_KIND_CONDITION, "it is right by the scheme %q, under secrets[%d], but has a signature by the scheme %q as well, which decides and is not right",
				p.Scheme.Name(), right.Key, o.decided.Scheme.Name())
			o.explained = true
			return o
		case err == nil && right.refuted != nil:
			o.refuted, o.decided = &right, p
			return o
		case err == nil:
			if x.clock(p.Scheme, right); len(x.found) == 0 {
				x.add(hookbridgev1.Diagnosis_KIND_CONDITION, "by the source as it is now the signature is right, under secrets[%d]; it was refused for something else, or before a "+
					"change of the source. The sender was told: %s", right.Key, x.message)
			}
			o.explained = true
			return o
		case partly:
			x.parts(some)
			o.explained = true
			return o
		case errors.Is(err, signature.ErrKeyUnavailable):
			o.published = true
		case errors.Is(err, signature.ErrMissing):
			if o.missing == nil {
				o.missing = err
			}
		case o.wrong == nil:
			o.wrong, o.decided = err, p
		}
	}
	return o
}

// right notes what was found, and that a claim is wrong or the clock is off as well where it is.
func (x *examination) right(p provider.Prover, right proof, kind hookbridgev1.Diagnosis_Kind, format string, args ...any) bool {
	x.add(kind, format, args...)
	if right.refuted != nil {
		x.claim(right)
	}
	x.clock(p.Scheme, right)
	return true
}

// absent is for deliveries without a signature of the source's schemes, or with one that doesn't count.
func (x *examination) absent(provers []provider.Prover, o opening) {
	const kind = hookbridgev1.Diagnosis_KIND_SIGNATURE_ABSENT
	for _, try := range []func() bool{x.otherSources, x.otherSchemes, x.otherSettings} {
		if try() {
			return
		}
	}
	if x.unmet(o.unmet) {
		return
	}
	if x.offeredSchemes() {
		return
	}
	for _, p := range provers {
		place, ok := p.Carried(x.request)
		if ok && errors.Is(o.missing, signature.ErrOtherKind) {
			x.add(kind, "%s is there, and none of it is of the kind that is looked for: %s. It is of another version, mode or key of the provider, or not of %s",
				place, detailOf(o.missing, signature.ErrMissing), x.own.Pack().Name())
			return
		}
		if ok && o.missing != nil {
			x.add(kind, "%s is there, but not all that belongs to it: %s. Either the provider is set to another version "+
				"of its signatures, or something on the way drops headers", place, detailOf(o.missing, signature.ErrMissing))
			return
		}
	}
	x.otherProviders()
	if places := placesOf(provers); places != "" {
		x.add(kind, "%s there: has the webhook got a secret at the provider? %s", places, x.guide())
		return
	}
	x.add(kind, "no signature is there: %s. Has the webhook got a secret at the provider? %s", detailOf(o.missing, signature.ErrMissing), x.guide())
}

// unmet says which conditions keep what is there from being looked at.
func (x *examination) unmet(list []provider.Prover) bool {
	var at string
	var texts []string
	for _, p := range list {
		condition, unmet := p.Unmet(x.request)
		if place, ok := p.Carried(x.request); ok && unmet {
			at = place.String()
			texts = append(texts, fmt.Sprintf("by the scheme %q only where %s", p.Scheme.Name(), condition))
		}
	}
	if len(texts) == 0 {
		return false
	}
	x.add(hookbridgev1.Diagnosis_KIND_CONDITION, "%s is there, and is looked at %s, which is not so", at, strings.Join(texts, ", and "))
	return true
}

// detailOf is the text of an error without that of its kind.
func detailOf(err, kind error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), kind.Error()+": ")
}

// placesOf says that no signature is where one was expected, up to the last word; it is empty where no place is known.
func placesOf(provers []provider.Prover) string {
	var names []string
	for _, p := range provers {
		for _, place := range p.Scheme.Places() {
			if name := place.String(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is not"
	}
	return "none of " + fewOf(names) + " is"
}

// guide says where the provider shows the secret.
func (x *examination) guide() string {
	pack := x.own.Pack()
	if text := pack.Spec().GetGuide().GetSecret(); text != "" {
		return pack.Name() + ": " + text
	}
	return "See " + pack.Spec().GetDocsUrl()
}
