package config

import (
	"errors"
	"fmt"

	"github.com/hookbridge/hookbridge/server/provider"
)

// Overheard says what is amiss where the deliveries of a source prove themselves by something that must not be heard, and cross the network in
// plain text for all that the configuration says; "" where nothing is. It is a warning and no problem, because the network itself may keep
// strangers out. Sources that sign what they send need no secrecy: anybody may read it, and nobody can forge it.
func (c *Config) Overheard(s *provider.Source) string {
	h := c.HTTP
	inFront := len(h.TrustedProxies) > 0 || h.PublicURL != nil && h.PublicURL.Scheme == "https"
	if h.TLS != nil || inFront || loopback(h.Listen) || !s.Overhearable() {
		return ""
	}
	return fmt.Sprintf("source %q: each delivery carries what proves any other, and http.listen %q takes it in plain text: who listens in can forge "+
		"deliveries; want http.tls, or a proxy that terminates TLS, named in http.trusted_proxies or by an https http.public_url", s.Name(), h.Listen)
}

// Warnings are those of all sources, with the providers that Extend was given.
func (c *Config) Warnings(builtin *provider.Catalogue) ([]string, error) {
	catalogue, err := c.Extend(builtin)
	if err != nil {
		return nil, err
	}
	var warnings []string
	var errs []error
	for _, source := range c.Sources {
		opened, err := c.Open(source, catalogue)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if text := c.Overheard(opened); text != "" {
			warnings = append(warnings, text)
		}
	}
	return warnings, errors.Join(errs...)
}
