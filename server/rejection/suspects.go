package rejection

import (
	"slices"
	"strings"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

// formerSecrets tries what the source had before a reload.
func (x *examination) formerSecrets() bool {
	for _, f := range x.former {
		if f.source.Name() != x.own.Name() {
			continue
		}
		if p, right, ok := x.any(f.source.Provers(), x.request); ok {
			return x.right(p, right, hookbridgev1.Diagnosis_KIND_PREVIOUS_SECRET,
				"it is signed with a secret that this source had until the configuration was reloaded at %s (the secrets[%d] of then): the provider still uses it. "+
					"Put it back behind the new one, and take it out when the provider has changed over",
				f.until.UTC().Format(time.RFC3339), right.Key)
		}
		x.tried.former += f.source.Secrets()
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
		p, right, ok := x.any(other.Provers(), x.request)
		switch {
		case ok && other.Provider() == x.own.Provider():
			return x.right(p, right, kind, "it is signed with secrets[%d] of the source %q: either the provider should send it to /webhooks/%s, "+
				"or two webhooks' secrets were mixed up", right.Key, other.Name(), other.Name())
		case ok:
			return x.right(p, right, kind, "it is a delivery of %s, signed with secrets[%d] of the source %q: set the webhook's URL to /webhooks/%s",
				other.Pack().Name(), right.Key, other.Name(), other.Name())
		}
		x.tried.others += other.Secrets()
		if other.Pack() == x.own.Pack() {
			continue
		}
		if p, right, ok = x.any(x.own.ProversUnder(other), x.request); ok {
			return x.right(p, right, kind, "it is %s's, signed with secrets[%d] of the source %q, which is of %s: two webhooks' secrets were mixed up",
				x.own.Pack().Name(), right.Key, other.Name(), other.Pack().Name())
		}
	}
	return false
}

// keyForms tries the secrets read in other ways.
func (x *examination) keyForms() bool {
	for _, p := range x.own.Readings() {
		right, err := x.prove(p, x.request)
		if err != nil {
			x.tried.readings++
			continue
		}
		return x.right(p, right, hookbridgev1.Diagnosis_KIND_KEY_FORM, "it matches when secrets[%d] is read %s, and %s's is %s: copy the secret again. %s",
			right.Key, p.How, x.own.Pack().Name(), p.Scheme.KeyForm(), x.guide())
	}
	return false
}

// otherSchemes tries the provider's schemes that the source doesn't use, and those by which nothing is taken.
func (x *examination) otherSchemes() bool {
	const kind = hookbridgev1.Diagnosis_KIND_OTHER_SCHEME
	for _, p := range x.own.UnusedProvers() {
		place, ok := p.Carried(x.request)
		if _, unmet := p.Unmet(x.request); !ok || unmet {
			continue
		}
		if right, err := x.prove(p, x.request); err == nil {
			return x.right(p, right, kind, "it is right by %s's scheme %q (%s), with what is secrets[%d]; the source doesn't use that scheme. "+
				"Its secrets are: %s", x.own.Pack().Name(), p.Scheme.Name(), place, right.Key, p.Scheme.KeyForm())
		}
	}
	for _, p := range x.own.UntakenProvers() {
		place, ok := p.Carried(x.request)
		if _, unmet := p.Unmet(x.request); !ok || unmet {
			continue
		}
		if right, err := x.prove(p, x.request); err == nil {
			return x.right(p, right, kind, "%s is right in %s's form %q, under secrets[%d], and nothing is taken by that form. %s",
				place, x.own.Pack().Name(), p.Scheme.Name(), right.Key, p.How)
		}
	}
	return false
}

// elsewhere returns the schemes of the source's provider whose signatures would be elsewhere without its settings, and where they are with
// them: what is there is in one of these places.
func (x *examination) elsewhere() (list []provider.Prover, settings, here string) {
	usual, ok := x.catalogue.Get(x.own.Provider())
	if !ok {
		return nil, "", ""
	}
	names := usual.PlaceSettings()
	if len(names) == 0 {
		return nil, "", ""
	}
	var own []string
	for _, p := range x.own.Provers() {
		for _, place := range p.Scheme.Places() {
			own = append(own, place.String())
		}
	}
	for _, p := range x.own.ProversBy(usual) {
		if place, ok := p.Carried(x.request); ok && !slices.Contains(own, place.String()) {
			list = append(list, p)
		}
	}
	return list, strings.Join(names, ", "), fewOf(own)
}

// otherSettings tries the place that the source's settings moved the signature from.
func (x *examination) otherSettings() bool {
	list, settings, here := x.elsewhere()
	p, right, ok := x.any(list, x.request)
	if !ok {
		return false
	}
	place, _ := p.Carried(x.request)
	return x.right(p, right, hookbridgev1.Diagnosis_KIND_OTHER_SCHEME, "%s is right, under secrets[%d], and is where %s has signatures by default; "+
		"by the settings of this source (%s) they are in %s: correct one of the two", place, right.Key, x.own.Pack().Name(), settings, here)
}

// settingsDiffer says that something is where signatures would be without the source's settings, though it isn't right.
func (x *examination) settingsDiffer() bool {
	list, settings, here := x.elsewhere()
	if len(list) == 0 {
		return false
	}
	place, _ := list[0].Carried(x.request)
	x.add(hookbridgev1.Diagnosis_KIND_OTHER_SCHEME, "%s is there, which is where %s has signatures by default; by the settings of this source (%s) they are in %s. "+
		"It is not right under the source's secrets either", place, x.own.Pack().Name(), settings, here)
	return true
}
