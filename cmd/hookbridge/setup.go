package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

// showProvider prints for a terminal, without the marks of Markdown, first what somebody needs who sets the provider up: where to paste what, the
// source's configuration, how to try it; then everything else that is known of it.
func showProvider(w io.Writer, pack *provider.Pack) error {
	spec := pack.Spec()
	source := strings.ReplaceAll(spec.GetKey(), "_", "-")
	if _, err := fmt.Fprintf(w, "%s\n%s\n\n", spec.GetName(), spec.GetDocsUrl()); err != nil {
		return err
	}
	traits := pack.Traits()
	setUp := 0
	for setUp < len(traits) && (traits[setUp].Name == "URL" || traits[setUp].Name == "Secret" || strings.HasPrefix(traits[setUp].Name, "Setting ")) {
		setUp++
	}
	configuration := fmt.Sprintf("sources:\n  - {name: %s, provider: %s%s%s}", source, spec.GetKey(), secretsExample(pack), settingsExample(spec))
	if pack.UsesURL() {
		configuration = "http: {public_url: \"https://YOUR-HOST\"} # the URL is signed: as it is entered there, up to /webhooks\n" + configuration
	}
	if err := showTraits(w, traits[:setUp], map[string]string{"URL": "What to paste there: https://YOUR-HOST/webhooks/" + source}); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "In the configuration\n  %s\nTry it\n%s\n\n", strings.ReplaceAll(configuration, "\n", "\n  "), tryIt(pack, source)); err != nil {
		return err
	}
	return showTraits(w, traits[setUp:], nil)
}

// showTraits prints traits, some with a line more.
func showTraits(w io.Writer, traits []provider.Trait, more map[string]string) error {
	plain := strings.NewReplacer("`", "", "**", "")
	for _, trait := range traits {
		text := wrap(plain.Replace(trait.Text), "  ", 100)
		if line, ok := more[trait.Name]; ok {
			text += "\n  " + line
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n", plain.Replace(trait.Name), text); err != nil {
			return err
		}
	}
	return nil
}

// tryIt says how to send a delivery without the provider.
func tryIt(pack *provider.Pack, source string) string {
	send := "  hookbridge send --config hookbridge.yaml " + source
	_, err := pack.NewPrivateKey()
	switch {
	case pack.SignsWithSecret():
		return send
	case err == nil:
		return wrap("Only the provider has the private key. A pair of your own stands in for it, as the secret of a source for tests:", "  ", 100) +
			fmt.Sprintf("\n  hookbridge providers keypair %s ./%s.pem\n%s-test --keypair ./%s.pem", pack.Key(), source, send, source)
	case errors.Is(err, provider.ErrKeysFetched):
		return wrap("Only with the provider: hookbridge send can't sign, because what verifies is fetched from it.", "  ", 100)
	}
	return wrap("Only with the provider: hookbridge send can't sign for it.", "  ", 100)
}

// secretsExample is empty for a provider that publishes its keys.
func secretsExample(pack *provider.Pack) string {
	captures := func(h *providerv1.Handshake) bool { return h.GetCaptures() != nil }
	switch {
	case !pack.NeedsSecret():
		return ""
	case slices.ContainsFunc(pack.Spec().GetHandshakes(), captures):
		return `, secrets: ["captured"]`
	}
	return fmt.Sprintf(`, secrets: ["env:%s_SECRET"]`, strings.ToUpper(pack.Key()))
}

// settingsExample has the settings that must be given.
func settingsExample(spec *providerv1.Pack) string {
	var settings []string
	for _, s := range spec.GetSettings() {
		switch {
		case s.GetDefault() != "" || s.GetOptional():
		case s.GetSecret():
			settings = append(settings, fmt.Sprintf("%s: \"env:%s_%s\"", s.GetName(), strings.ToUpper(spec.GetKey()), strings.ToUpper(s.GetName())))
		default:
			settings = append(settings, s.GetName()+": ...")
		}
	}
	if len(settings) == 0 {
		return ""
	}
	return fmt.Sprintf(", settings: {%s}", strings.Join(settings, ", "))
}

// wrap breaks a text into lines of at most width characters where it has spaces, each after an indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := 0
	for n, word := range strings.Fields(text) {
		switch {
		case n == 0:
			b.WriteString(indent)
		case line+1+len(word) > width:
			b.WriteString("\n" + indent)
			line = 0
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String()
}
