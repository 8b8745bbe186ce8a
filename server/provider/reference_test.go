package provider

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

var update = flag.Bool("update", false, "write docs/providers.md anew")

const introduction = `<!-- Generated from server/provider/packs by "go test ./server/provider -update"; not edited by hand. -->

# Providers

A source of the configuration has a provider, one of the keys below, and listens at ` + "`/webhooks/{source}`" + `:

` + "```yaml" + `
sources:
  - {name: github, provider: github, secrets: ["env:GITHUB_SECRET", "env:GITHUB_SECRET_OLD"]}
` + "```" + `

All secrets of a source are active at once, which is how one is rotated: add the new one in front, change it at the provider,
remove the old one. What "the proof covers" nobody without a secret can change. What it doesn't cover may be made up by whoever
has recorded a delivery; each event says in its ` + "`auth`" + ` what was covered.

`

// TestReference keeps docs/providers.md in step with the packs.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(introduction)
	c := catalogue(t)
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		if pack.Spec().GetGuide() == nil {
			t.Errorf("%s has no guide", key)
			continue
		}
		describe(&b, pack)
	}
	path := filepath.Join("..", "..", "docs", "providers.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), b.String()); diff != "" {
		t.Errorf("docs/providers.md is not what the packs say; run go test ./server/provider -update (-file +packs)\n%s", diff)
	}
}

func describe(b *strings.Builder, p *Pack) {
	spec := p.Spec()
	fmt.Fprintf(b, "## %s\n\n`provider: %s` ([the provider's documentation](%s))\n\n", spec.GetName(), spec.GetKey(), spec.GetDocsUrl())
	line := func(head, text string) { fmt.Fprintf(b, "- **%s.** %s\n", head, text) }
	line("URL", spec.GetGuide().GetEndpoint())
	line("Secret", spec.GetGuide().GetSecret())
	for n, scheme := range spec.GetSchemes() {
		head := "Proof"
		if len(spec.GetSchemes()) > 1 {
			head = fmt.Sprintf("Proof %d, `%s`", n+1, scheme.GetName())
		}
		line(head, proof(p, p.schemes[n], scheme))
	}
	line("Id", idText(p))
	line("Type", selectorsText(spec.GetType(), "Each event has the type `unknown`."))
	if len(spec.GetOrderingKey()) > 0 {
		line("Ordering key", selectorsText(spec.GetOrderingKey(), ""))
	}
	line("Retries", spec.GetGuide().GetRetries())
	line("Handshake", handshakeText(spec))
	limits := fmt.Sprintf("Bodies of up to %s", bytesText(p.maxBody()))
	var media []string
	for _, body := range p.bodies {
		media = append(media, "`"+body.mediaType+"`")
	}
	limits += " as " + strings.Join(media, " or ")
	if d := p.deadline(); d > 0 {
		limits += fmt.Sprintf("; the provider waits %g seconds for the answer", d.Seconds())
	} else {
		limits += "; how long the provider waits for the answer is not published"
	}
	line("Limits", limits+".")
	for _, note := range spec.GetGuide().GetNotes() {
		line("Note", note)
	}
	for _, doubt := range spec.GetUnverified() {
		line("Not confirmed", doubt+".")
	}
	b.WriteString("\n")
}

// proof says how a scheme proves a delivery and what that covers, as the engine derives it.
func proof(p *Pack, scheme *signature.Scheme, spec *providerv1.Scheme) string {
	var at []string
	for _, place := range spec.GetSignature() {
		if place.GetBody() {
			at = append(at, "the body")
			continue
		}
		at = append(at, "`"+place.GetHeader()+"`")
	}
	text := fmt.Sprintf("`%s` in %s", spec.GetAlgorithm(), strings.Join(at, " or "))
	if spec.GetCode() != "" {
		text = "a method of the provider's own"
	}
	if u := spec.GetKeySource().GetUrl(); u != "" {
		text += ", with a key of `" + u + "`"
	}
	if spec.GetContent() != "" {
		text += fmt.Sprintf(" over `%s`", spec.GetContent())
	}
	var covered, open []string
	add := func(what string, yes bool) {
		if yes {
			covered = append(covered, what)
		} else {
			open = append(open, what)
		}
	}
	add("the body", scheme.CoversBody())
	add("the id", idCovered(p, scheme))
	add("the type", selectorsCovered(scheme, p.typ))
	tolerance, stamped := scheme.Tolerance()
	add("the time", stamped && tolerance > 0)
	switch {
	case len(covered) == 0:
		text += ". It covers nothing of the delivery"
	case len(open) == 0:
		text += ". It covers " + enumerate(covered, "and")
	default:
		text += ". It covers " + enumerate(covered, "and") + ", but not " + enumerate(open, "or")
	}
	if stamped && tolerance > 0 {
		text += fmt.Sprintf("; the time may be %g seconds from now, either way", tolerance.Seconds())
	}
	return text + "."
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
		return slices.ContainsFunc(s.parts, func(part part) bool { return part.literal == "" && !scheme.Covers(part.place) })
	})
}

func idText(p *Pack) string {
	const otherwise = "a digest of the body, for the source's `digest_window`"
	spec := p.Spec()
	if len(spec.GetId()) > 0 {
		return selectorsText(spec.GetId(), "") + " Otherwise " + otherwise + "."
	}
	var signed []string
	for _, place := range spec.GetSchemes()[0].GetId() {
		signed = append(signed, "`"+place.GetHeader()+"`")
	}
	if len(signed) > 0 {
		return "The signed one: " + strings.Join(signed, " or ") + "."
	}
	return "None: " + otherwise + "."
}

func selectorsText(selectors []*providerv1.Selector, none string) string {
	if len(selectors) == 0 {
		return none
	}
	var texts []string
	for _, s := range selectors {
		var parts []string
		for _, part := range s.GetParts() {
			text := "`" + placeText(part) + "`"
			if part.GetLiteral() != "" {
				text = "the text `" + part.GetLiteral() + "`"
			}
			if part.GetOptional() {
				text += " where it is there"
			}
			parts = append(parts, text)
		}
		text := strings.Join(parts, ", a dot and ")
		for _, c := range s.GetWhen() {
			text += " where `" + placeText(c) + "` is "
			if c.Equals == nil {
				text += "there"
			} else {
				text += "`" + c.GetEquals() + "`"
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; else ") + "."
}

func placeText(l signature.Located) string {
	switch {
	case l.GetHeader() != "":
		return "header " + l.GetHeader()
	case l.GetQuery() != "":
		return "query " + l.GetQuery()
	case l.GetForm() != "":
		return "form " + l.GetForm()
	}
	return "json " + l.GetJson()
}

func handshakeText(spec *providerv1.Pack) string {
	if len(spec.GetHandshakes()) == 0 {
		return "None: anything but POST is answered 405."
	}
	var texts []string
	for _, h := range spec.GetHandshakes() {
		text := h.GetMethod()
		if h.GetSigned() {
			text = "A signed " + text
		}
		for _, c := range h.GetWhen() {
			text += " with `" + placeText(c)
			if c.Equals != nil {
				text += " = " + c.GetEquals()
			}
			text += "`"
		}
		text += " is answered"
		if h.GetRespond().GetBody() != "" {
			text += " with `" + h.GetRespond().GetBody() + "`"
		}
		texts = append(texts, text+" and is no event.")
	}
	return strings.Join(texts, " ")
}

func bytesText(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
