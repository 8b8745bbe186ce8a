package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

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
	if err := showTraits(w, traits[:setUp], map[string]string{"URL": "What to paste there: https://YOUR-HOST/webhooks/" + source}); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "In the configuration\n%sTry it\n%s\n\n", indented(pack.Example(), "  "), tryIt(pack, source)); err != nil {
		return err
	}
	return showTraits(w, append(traits[setUp:], storedHeaders(spec.GetStoredHeaders())), nil)
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

func indented(text, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(indent + line)
	}
	return b.String()
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
