package rejection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

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
	x := &examination{sources: known, own: own, request: it.request, host: it.host, left: most}
	x.run()
	return x.found
}

// examination is the search for what is wrong with one delivery. Everything in it is tried on the delivery itself.
type examination struct {
	*sources
	own     *provider.Source
	request *delivery.Request
	host    string
	// left is the work that may still be done; cut says that something was left out for want of it.
	left  int
	cut   bool
	found []*hookbridgev1.Diagnosis
}

func (x *examination) add(kind hookbridgev1.Diagnosis_Kind, format string, args ...any) {
	x.found = append(x.found, &hookbridgev1.Diagnosis{Kind: kind, Message: fmt.Sprintf(format, args...)})
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

// prove tries one scheme with its keys, without regard of the clock.
func (x *examination) prove(p provider.Prover, r *delivery.Request) (signature.Match, error) {
	each := perTry + len(r.Body)
	if name := p.Scheme.Algorithm(); !strings.HasPrefix(name, "hmac-") && !strings.HasPrefix(name, "sha") && p.Scheme.CoversBody() {
		each += perPublicKey
	}
	if !x.spend(each * max(1, p.Keys())) {
		return signature.Match{}, errors.New("no work left")
	}
	return p.Prove(r)
}

// any tries several and returns the first that is right.
func (x *examination) any(list []provider.Prover, r *delivery.Request) (provider.Prover, signature.Match, bool) {
	for _, p := range list {
		if match, err := x.prove(p, r); err == nil {
			return p, match, true
		}
	}
	return provider.Prover{}, signature.Match{}, false
}

// run tries what is likely and cheap first, and ends with the first that is right: one signature has one cause.
func (x *examination) run() {
	provers := x.own.Provers()
	var wrong error
	for _, p := range provers {
		match, err := x.prove(p, x.request)
		if err == nil {
			x.clock(p.Scheme, match)
			return
		}
		if wrong == nil || errors.Is(wrong, signature.ErrMissing) {
			wrong = err
		}
	}
	if wrong == nil {
		return // no scheme: the source has no secret yet
	}
	if errors.Is(wrong, signature.ErrMissing) {
		x.absent(provers, wrong)
		return
	}
	for _, try := range []func() bool{x.formerSecrets, x.otherSources, x.keyForms, x.urls, x.otherSchemes, x.bodies} {
		if try() {
			return
		}
	}
	x.otherProviders()
	x.nothing(wrong)
}

// right notes what was found, and that the clock is off as well where it is.
func (x *examination) right(scheme *signature.Scheme, match signature.Match, kind hookbridgev1.Diagnosis_Kind, format string, args ...any) bool {
	x.add(kind, format, args...)
	x.clock(scheme, match)
	return true
}

// clock compares the time of a signature that is right with that of its arrival.
func (x *examination) clock(scheme *signature.Scheme, match signature.Match) {
	tolerance := x.own.Tolerance(scheme)
	if tolerance == 0 {
		tolerance, _ = scheme.Tolerance()
	}
	age := x.request.ReceivedAt.Sub(match.Time)
	if match.Time.IsZero() || tolerance == 0 || age.Abs() <= tolerance {
		return
	}
	now := x.request.ReceivedAt.UTC().Format(time.RFC3339)
	if age < 0 {
		x.add(hookbridgev1.Diagnosis_KIND_CLOCK, "the signature is right, but made %s in the future, where %s are allowed; by the bridge's clock it is %s: "+
			"see that both machines get the time by NTP", seconds(-age), seconds(tolerance), now)
		return
	}
	x.add(hookbridgev1.Diagnosis_KIND_CLOCK, "the signature is right, but made %s ago, where %s are allowed; by the bridge's clock it is %s: "+
		"if that is right, the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP",
		seconds(age), seconds(tolerance), now)
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }

// absent is for deliveries without a signature of the source's schemes.
func (x *examination) absent(provers []provider.Prover, missing error) {
	if x.otherSources() || x.otherSchemes() {
		return
	}
	for _, p := range provers {
		if place, ok := p.Scheme.Carried(x.request); ok {
			x.add(hookbridgev1.Diagnosis_KIND_SIGNATURE_ABSENT, "%s is there, but not all that belongs to it: %s. Either the provider is set to another version "+
				"of its signatures, or something on the way drops headers", place, strings.TrimPrefix(missing.Error(), signature.ErrMissing.Error()+": "))
			return
		}
	}
	x.otherProviders()
	x.add(hookbridgev1.Diagnosis_KIND_SIGNATURE_ABSENT, "%s there: has the webhook got a secret at the provider? %s",
		placesOf(provers), x.guide())
}

// placesOf says that no signature is where one was expected, up to the last word.
func placesOf(provers []provider.Prover) string {
	var names []string
	for _, p := range provers {
		for _, place := range p.Scheme.Places() {
			if name := place.String(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 1 {
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

// formerSecrets tries what the source had before a reload.
func (x *examination) formerSecrets() bool {
	for _, f := range x.former {
		if f.source.Name() != x.own.Name() {
			continue
		}
		if p, match, ok := x.any(f.source.Provers(), x.request); ok {
			return x.right(p.Scheme, match, hookbridgev1.Diagnosis_KIND_PREVIOUS_SECRET,
				"it is signed with a secret that this source had until the configuration was reloaded at %s (the secrets[%d] of then): the provider still uses it. "+
					"Put it back behind the new one, and take it out when the provider has changed over",
				f.until.UTC().Format(time.RFC3339), match.Key)
		}
	}
	return false
}

// otherSources tries the secrets of the other sources, in their providers' schemes and in this one's.
func (x *examination) otherSources() bool {
	const kind = hookbridgev1.Diagnosis_KIND_OTHER_SOURCE
	for _, other := range x.others(x.own) {
		// There may be very many; the rest is for what else may be wrong.
		if x.left < most/2 {
			x.cut = true
			break
		}
		p, match, ok := x.any(other.Provers(), x.request)
		switch {
		case ok && other.Provider() == x.own.Provider():
			return x.right(p.Scheme, match, kind, "it is signed with secrets[%d] of the source %q: either the provider should send it to /webhooks/%s, "+
				"or two webhooks' secrets were mixed up", match.Key, other.Name(), other.Name())
		case ok:
			return x.right(p.Scheme, match, kind, "it is a delivery of %s, signed with secrets[%d] of the source %q: set the webhook's URL to /webhooks/%s",
				other.Pack().Name(), match.Key, other.Name(), other.Name())
		}
		if other.Provider() == x.own.Provider() {
			continue
		}
		if p, match, ok = x.any(x.own.ProversUnder(other), x.request); ok {
			return x.right(p.Scheme, match, kind, "it is %s's, signed with secrets[%d] of the source %q, which is of %s: two webhooks' secrets were mixed up",
				x.own.Pack().Name(), match.Key, other.Name(), other.Pack().Name())
		}
	}
	return false
}

// keyForms tries the secrets read in other ways.
func (x *examination) keyForms() bool {
	for _, p := range x.own.Readings() {
		match, err := x.prove(p, x.request)
		if err != nil {
			continue
		}
		return x.right(p.Scheme, match, hookbridgev1.Diagnosis_KIND_KEY_FORM, "it matches when secrets[%d] is read %s, and %s's is %s: copy the secret again. %s",
			match.Key, p.How, x.own.Pack().Name(), p.Scheme.KeyForm(), x.guide())
	}
	return false
}

// otherSchemes tries the provider's schemes that the source doesn't use.
func (x *examination) otherSchemes() bool {
	const kind = hookbridgev1.Diagnosis_KIND_OTHER_SCHEME
	for _, p := range x.own.UnusedProvers() {
		place, ok := p.Scheme.Carried(x.request)
		if !ok {
			continue
		}
		match, err := x.prove(p, x.request)
		if err == nil {
			return x.right(p.Scheme, match, kind, "it is right by %s's scheme %q (%s), with what is secrets[%d]; the source doesn't use that scheme. "+
				"Its secrets are: %s", x.own.Pack().Name(), p.Scheme.Name(), place, match.Key, p.Scheme.KeyForm())
		}
		if errors.Is(err, signature.ErrMismatch) {
			x.add(kind, "it has what %s's scheme %q looks for (%s), for which the source has no secret: add it to secrets, as %s, or let the provider sign by the scheme %q",
				x.own.Pack().Name(), p.Scheme.Name(), place, p.Scheme.KeyForm(), x.own.Provers()[0].Scheme.Name())
			return true
		}
	}
	return false
}

// otherProviders looks for signature headers that this provider doesn't use.
func (x *examination) otherProviders() {
	mine := headersOf(x.own.Pack())
	for _, name := range slices.Sorted(headerNames(x.request.Header)) {
		packs := x.packs()[name]
		if len(packs) == 0 || slices.Contains(mine, name) {
			continue
		}
		var names, here []string
		for _, pack := range packs {
			names = append(names, pack.Name())
			for _, source := range x.names {
				if x.byName[source].Provider() == pack.Key() {
					here = append(here, "/webhooks/"+source)
				}
			}
		}
		todo := "there is no source of that provider yet"
		if len(here) > 0 {
			todo = "such deliveries go to " + fewOf(here)
		}
		x.add(hookbridgev1.Diagnosis_KIND_OTHER_PROVIDER, "the header %s is there, which is a signature of %s, and this source is of %s: %s",
			name, fewOf(names), x.own.Pack().Name(), todo)
		return
	}
}

// fewOf names at most three.
func fewOf(names []string) string {
	const few = 3
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" or %d others", len(names)-few)
	}
	return strings.Join(names, " or ")
}

func headerNames(h http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// nothing is what is left to say.
func (x *examination) nothing(wrong error) {
	const kind = hookbridgev1.Diagnosis_KIND_UNKNOWN_SECRET
	switch {
	case errors.Is(wrong, signature.ErrMalformed):
		x.add(kind, "%s: whoever sent it signs in another way than %s", strings.TrimPrefix(wrong.Error(), signature.ErrMalformed.Error()+": "), x.own.Pack().Name())
	case x.cut:
		x.add(kind, "of what was tried nothing matches; not everything was, because that takes longer than is allowed. If %s sent it, copy the secret again. %s",
			x.own.Pack().Name(), x.guide())
	default:
		x.add(kind, "no secret that the bridge knows made this signature, in no form, for no body and URL that were tried. If %s sent it, copy the secret again; else it is forged. %s",
			x.own.Pack().Name(), x.guide())
	}
}
