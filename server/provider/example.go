package provider

import (
	"fmt"
	"strings"
)

// Example is what a configuration has for a source of the provider, as YAML: the secret and the settings that must be given, and
// http.public_url where the provider signs the URL. Where a value is the operator's to fill in there are three dots.
func (p *Pack) Example() string {
	text := ""
	if p.UsesURL() {
		text = "http: {public_url: \"https://YOUR-HOST\"} # the URL is signed: as it is entered there, up to /webhooks\n"
	}
	key := p.Key()
	return text + fmt.Sprintf("sources:\n  - {name: %s, provider: %s%s%s}\n", strings.ReplaceAll(key, "_", "-"), key, p.exampleSecrets(), p.exampleSettings())
}

// exampleSecrets is empty for a provider all of whose schemes have published keys.
func (p *Pack) exampleSecrets() string {
	switch {
	case !p.NeedsSecret():
		return ""
	case p.Captures():
		return `, secrets: ["captured"]`
	}
	return fmt.Sprintf(`, secrets: ["env:%s_SECRET"]`, strings.ToUpper(p.Key()))
}

// exampleSettings has those that must be given.
func (p *Pack) exampleSettings() string {
	var settings []string
	for _, s := range p.Settings() {
		switch {
		case s.GetDefault() != "" || s.GetOptional():
		case s.GetSecret():
			settings = append(settings, fmt.Sprintf("%s: \"env:%s_%s\"", s.GetName(), strings.ToUpper(p.Key()), strings.ToUpper(s.GetName())))
		default:
			settings = append(settings, s.GetName()+": ...")
		}
	}
	if len(settings) == 0 {
		return ""
	}
	return fmt.Sprintf(", settings: {%s}", strings.Join(settings, ", "))
}
