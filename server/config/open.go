package config

import (
	"fmt"
	"maps"

	"github.com/hookbridge/hookbridge/server/provider"
)

// For returns the options with which a bridge of these providers reads its configuration: a source is checked as it is opened later.
func For(catalogue *provider.Catalogue) Options {
	return Options{Providers: catalogue.Keys(), Catalogue: catalogue}
}

// Open makes the endpoint that a source of the configuration describes, with the providers that Extend returns. Its error contains no
// secret.
func (c *Config) Open(s Source, catalogue *provider.Catalogue) (*provider.Source, error) {
	pack, ok := catalogue.Get(s.Provider)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", s.Provider)
	}
	opened, err := provider.NewSource(c.describe(s, pack))
	if err != nil {
		return nil, err
	}
	if err := c.bodiesFit(s, pack); err != nil {
		return nil, err
	}
	return opened, nil
}

// describe is what the endpoint of a source is made of.
func (c *Config) describe(s Source, pack *provider.Pack) provider.SourceConfig {
	secrets := make([]string, len(s.Secrets))
	for i, secret := range s.Secrets {
		secrets[i] = secret.Reveal()
	}
	settings := maps.Clone(s.Settings)
	for name, secret := range s.SecretSettings {
		if settings == nil {
			settings = map[string]string{}
		}
		settings[name] = secret.Reveal()
	}
	return provider.SourceConfig{
		Name: s.Name, Pack: pack, Secrets: secrets, Captured: s.Captured, Settings: settings, Scheme: s.Scheme, Tolerance: s.Tolerance, MaxBody: s.MaxBody,
		DigestWindow: s.DigestWindow, Enforce: s.Enforce, PublicURL: c.HTTP.PublicURL != nil,
	}
}

// bodiesFit refuses a source that takes bodies which never fit the budget: they would be sent again and again.
func (c *Config) bodiesFit(s Source, pack *provider.Pack) error {
	most := s.MaxBody
	if most == 0 {
		most = pack.MaxBody()
	}
	if most > c.HTTP.MaxInFlight {
		return fmt.Errorf("%s sends bodies of up to %s, and http.max_in_flight is %s; raise it, or set max_body",
			pack.Spec().GetName(), formatSize(most), formatSize(c.HTTP.MaxInFlight))
	}
	return nil
}
