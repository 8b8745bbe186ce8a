package rejection

import (
	"errors"
	"fmt"
	"strings"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

// claimed is for a token that is right and not for this delivery: what it is for is looked for first.
func (x *examination) claimed(o opening) {
	refuted := *o.refuted
	if refuted.refuted.URL && x.urls() || refuted.refuted.Body && x.bodies() {
		return
	}
	x.claim(refuted)
	x.clock(o.decided.Scheme, refuted)
}

// claim says which claim is wrong, what it is and what it has to be.
func (x *examination) claim(right proof) {
	wrong := right.refuted
	signed := fmt.Sprintf("it is signed with secrets[%d]", right.Key)
	if x.published() {
		signed = fmt.Sprintf("it is signed with a key that %s publishes", x.own.Pack().Name())
	}
	text := signed + ", but " + wrong.What + " is not there"
	if !wrong.Absent {
		is := "is something else"
		if wrong.Got != "" {
			is = "is " + wrong.Got
		}
		text = fmt.Sprintf("%s, but %s has to be %s, and %s", signed, wrong.What, printable(wrong.Want), is)
	}
	var todo []string
	if wrong.URL {
		todo = append(todo, fmt.Sprintf("set http.public_url, or the webhook's URL at %s, so that they agree", x.own.Pack().Name()))
	}
	if wrong.Body {
		todo = append(todo, fmt.Sprintf("the body is not the one that was signed, nor was it found in any of %s", counted(x.tried.bodies, "rewrite", "rewrites")))
	}
	if len(todo) > 0 {
		text += ": " + strings.Join(todo, "; ")
	}
	x.add(hookbridgev1.Diagnosis_KIND_CLAIM, "%s", text)
}

// published says that the source has no secret, because the provider publishes its keys.
func (x *examination) published() bool { return x.own.Secrets() == 0 }

// publishedKeys is for what is proven with keys that the provider publishes. Nothing is fetched to look into a refusal: what is known is what
// was found when it arrived.
func (x *examination) publishedKeys() {
	name := x.own.Pack().Name()
	if after, ok := errors.AsType[*signature.AfterProof](x.cause); ok {
		right := proof{Match: signature.Match{Key: after.Key}}
		if after.At.IsZero() {
			right.refuted = after
			x.claim(right)
			return
		}
		right.late = after
		x.clock(x.own.Provers()[0].Scheme, right)
		return
	}
	if errors.Is(x.cause, signature.ErrStale) {
		x.add(hookbridgev1.Diagnosis_KIND_CLOCK, "it is signed with a key that %s publishes, and the sender was told: %s. "+
			"See that the machine gets the time by NTP; if it does, the delivery was held back on its way or sent again as it was", name, x.message)
		return
	}
	x.add(hookbridgev1.Diagnosis_KIND_NOT_EXAMINED, "it is checked with keys that %s publishes, and none is fetched to look into a refusal. "+
		"All that is known is what the sender was told: %s", name, x.message)
}

// parts says which parts of a delivery are right.
func (x *examination) parts(some *signature.SomeRight) {
	text := fmt.Sprintf("%d of %d parts are right, the first of them under secrets[%d]; not right is %s", some.Right, some.Total, some.Key, strings.Join(some.Wrong, ", "))
	if more := some.Total - some.Right - len(some.Wrong); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if some.Absent > 0 {
		text += fmt.Sprintf("; of all, %d have no signature", some.Absent)
	}
	x.add(hookbridgev1.Diagnosis_KIND_PART, "%s. All have to be right: these were changed on the way, put there by somebody else, or signed with another secret", text)
}

// publicSecrets tries what everybody knows.
func (x *examination) publicSecrets() bool {
	for _, p := range x.own.PublicProvers() {
		right, err := x.prove(p, x.request)
		if err != nil {
			x.tried.public += p.Keys()
			continue
		}
		return x.right(p, right, hookbridgev1.Diagnosis_KIND_PUBLIC_SECRET, "it is signed with a secret that everybody knows, which %s uses for %s. "+
			"It proves nothing, so such deliveries are refused: never configure that secret", x.own.Pack().Name(), p.How)
	}
	return false
}

// offeredSchemes looks for what other schemes of the provider look for, where nothing of it could be proven.
func (x *examination) offeredSchemes() bool {
	const kind = hookbridgev1.Diagnosis_KIND_OTHER_SCHEME
	for _, p := range x.own.UnusedProvers() {
		place, err := x.offers(p)
		if err == nil || !errors.Is(err, signature.ErrMismatch) && !errors.Is(err, signature.ErrKeyUnavailable) {
			continue
		}
		if x.own.Fits(p.Scheme) {
			x.add(kind, "it has what %s's scheme %q looks for (%s), which the source doesn't use; by that scheme it is not right under its secrets either",
				x.own.Pack().Name(), p.Scheme.Name(), place)
			return true
		}
		x.add(kind, "it has what %s's scheme %q looks for (%s), for which the source has no secret: add it to secrets, as %s, or let the provider sign by the scheme %q",
			x.own.Pack().Name(), p.Scheme.Name(), place, p.Scheme.KeyForm(), x.own.Provers()[0].Scheme.Name())
		return true
	}
	if x.settingsDiffer() {
		return true
	}
	for _, p := range x.own.UntakenProvers() {
		if place, err := x.offers(p); errors.Is(err, signature.ErrMismatch) {
			x.add(kind, "%s is there in %s's form %q, by which nothing is taken, and it is not right under the source's secrets. %s",
				place, x.own.Pack().Name(), p.Scheme.Name(), p.How)
			return true
		}
	}
	return false
}

// offers tries a scheme that the source doesn't use, where its signature is there and counts.
func (x *examination) offers(p provider.Prover) (signature.Place, error) {
	place, ok := p.Carried(x.request)
	if _, unmet := p.Unmet(x.request); !ok || unmet {
		return place, signature.ErrMissing
	}
	_, err := x.prove(p, x.request)
	return place, err
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
