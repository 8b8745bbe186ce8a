package provider

import (
	"fmt"
	"slices"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// schemeText says how a scheme proves a delivery and what that covers.
func schemeText(p *Pack, scheme *signature.Scheme, spec *providerv1.Scheme) string {
	var at []string
	for _, place := range spec.GetSignature() {
		at = append(at, "`"+placeText(place)+"`")
	}
	text := fmt.Sprintf("`%s`", spec.GetAlgorithm())
	if spec.GetCode() != "" {
		text = "`" + spec.GetCode() + "`, a method of its own"
	}
	if len(at) > 0 {
		text += " in " + strings.Join(at, " or ")
	}
	content := spec.GetContent()
	for _, part := range spec.GetContentParts() {
		content += part.GetText()
	}
	if content != "" {
		text += fmt.Sprintf(" over `%s`", content)
	}
	if url := spec.GetKeySource().GetUrl(); url != "" {
		text += fmt.Sprintf(", with the keys that the provider publishes at `%s`", url)
	}
	covered, open := coverage(p, scheme)
	for _, list := range [][]string{covered, open} {
		for n := range list {
			list[n] = "the " + list[n]
		}
	}
	switch {
	case len(covered) == 0:
		text += ". It covers nothing of the delivery"
	case len(open) == 0:
		text += ". It covers " + enumerate(covered, "and")
	default:
		text += ". It covers " + enumerate(covered, "and") + ", but not " + enumerate(open, "or")
	}
	if tolerance, stamped := scheme.Tolerance(); stamped && tolerance > 0 {
		text += fmt.Sprintf("; the time may be %g seconds from now, either way", tolerance.Seconds())
	}
	return text + "."
}

// coverage says what the proof of a scheme covers, and what it leaves open.
func coverage(p *Pack, scheme *signature.Scheme) (covered, open []string) {
	add := func(what string, yes bool) {
		if yes {
			covered = append(covered, what)
		} else {
			open = append(open, what)
		}
	}
	add("body", scheme.CoversBody())
	add("id", idCovered(p, scheme))
	add("type", selectorsCovered(scheme, p.typ))
	tolerance, stamped := scheme.Tolerance()
	add("time", stamped && tolerance > 0)
	return covered, open
}

func enumerate(texts []string, last string) string {
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " " + last + " " + texts[n-1]
	}
	return texts[0]
}

func idCovered(p *Pack, scheme *signature.Scheme) bool {
	switch {
	case len(p.id) > 0:
		return selectorsCovered(scheme, p.id[:1])
	case len(scheme.ID()) > 0:
		return scheme.CoversFirst(scheme.ID())
	}
	return scheme.CoversBody()
}

func selectorsCovered(scheme *signature.Scheme, selectors []selector) bool {
	return !slices.ContainsFunc(selectors, func(s selector) bool {
		return slices.ContainsFunc(s.places, func(p signature.Place) bool { return !scheme.Covers(p) })
	})
}

func idText(p *Pack) string {
	otherwise := "a digest of the body, for the source's `digest_window`"
	if p.BodiesRepeat() {
		otherwise += ", which is none unless you set one: equal bodies may be different events"
	}
	spec := p.Spec()
	if len(spec.GetId()) > 0 {
		return selectorsText(spec.GetId(), "") + " Otherwise " + otherwise + "."
	}
	var signed []string
	for _, place := range spec.GetSchemes()[0].GetId() {
		signed = append(signed, "`"+placeText(place)+"`")
	}
	if len(signed) > 0 {
		return "The signed one: " + strings.Join(signed, " or ") + "."
	}
	return "None: " + otherwise + "."
}
