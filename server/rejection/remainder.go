package rejection

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

// otherProviders looks for headers with signatures that this provider doesn't use.
func (x *examination) otherProviders() {
	mine := headersOf(x.own.Pack())
	for _, name := range slices.Sorted(maps.Keys(x.request.Header)) {
		if slices.Contains(mine, name) {
			continue
		}
		var names, here []string
		for _, pack := range x.packs()[name] {
			if pack.Key() == x.own.Provider() || !marked(pack, name, x.request.Header) {
				continue
			}
			names = append(names, pack.Name())
			for _, source := range x.names {
				if x.byName[source].Provider() == pack.Key() {
					here = append(here, "/webhooks/"+source)
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		todo := "there is no source of that provider yet"
		switch {
		case len(names) > 1 && len(here) == 0:
			todo = "there is no source of one of those yet"
		case len(names) > 1:
			todo = "if it is from one of those, such deliveries go to " + fewOf(here)
		case len(here) > 0:
			todo = "such deliveries go to " + fewOf(here)
		}
		x.add(hookbridgev1.Diagnosis_KIND_OTHER_PROVIDER, "the header %s is there, in which %s has signatures like this, and this source is of %s: %s",
			name, fewOf(names), x.own.Pack().Name(), todo)
		return
	}
}

// marked says whether one of a header's values looks like a signature of a provider.
func marked(pack *provider.Pack, name string, h http.Header) bool {
	return slices.ContainsFunc(pack.AllSchemes(), func(s *signature.Scheme) bool {
		return slices.ContainsFunc(h[name], func(value string) bool { return s.Marks(name, value) })
	})
}

// fewOf names at most three.
func fewOf(names []string) string {
	const few = 3
	if len(names) > few {
		return strings.Join(names[:few], ", ") + " or " + counted(len(names)-few, "other", "others")
	}
	return strings.Join(names, " or ")
}

// nothing is what is left to say: what is there, and what was tried.
func (x *examination) nothing(o opening) {
	if errors.Is(o.wrong, signature.ErrMalformed) {
		x.add(hookbridgev1.Diagnosis_KIND_MALFORMED, "%s. So there is nothing in it that could be compared with a signature of %s",
			detailOf(o.wrong, signature.ErrMalformed), x.own.Pack().Name())
		return
	}
	what := "the signature"
	if place, ok := o.decided.Carried(x.request); ok {
		what = place.String()
	}
	text := fmt.Sprintf("%s is there and well-formed, and matches under %s", what, x.secretsTried())
	for _, more := range []struct {
		n         int
		one, many string
	}{
		{x.tried.readings, "other reading of this source's secrets", "other readings of this source's secrets"},
		{x.tried.urls, "other URL", "other URLs"},
		{x.tried.bodies, "rewrite of the body", "rewrites of the body"},
	} {
		if more.n > 0 {
			text += ", nor with " + counted(more.n, more.one, more.many)
		}
	}
	if x.cut {
		text += "; not everything was tried, because that takes longer than is allowed"
	}
	x.add(hookbridgev1.Diagnosis_KIND_UNKNOWN_SECRET, "%s. If %s sent it, copy the secret again; else what is signed was changed in a way that was not tried, or it is forged. %s",
		text, x.own.Pack().Name(), x.guide())
}

// secretsTried says under how many secrets it doesn't match.
func (x *examination) secretsTried() string {
	list := []string{fmt.Sprintf("%d of this source", x.own.Secrets())}
	all := x.own.Secrets()
	for _, more := range []struct {
		n    int
		text string
	}{{x.tried.former, "that it had before"}, {x.tried.others, "of other sources"}, {x.tried.public, "that everybody knows"}} {
		if more.n > 0 {
			list, all = append(list, fmt.Sprintf("%d %s", more.n, more.text)), all+more.n
		}
	}
	return fmt.Sprintf("none of %s (%s)", counted(all, "secret", "secrets"), strings.Join(list, ", "))
}
