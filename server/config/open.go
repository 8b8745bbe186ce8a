package config

import (
	"fmt"

	"github.com/hookbridge/hookbridge/server/provider"
)

// For returns the options with which a bridge of these providers reads its configuration: a source is checked as it is opened later.
func For(catalogue *provider.Catalogue) Options {
	return Options{
		Providers: catalogue.Keys(),
		CheckSource: func(c *Config, s Source) error {
			_, err := c.Open(s, catalogue)
			return err
		},
	}
}

// Open makes the endpoint that a source of the configuration describes. Its error doesn't name the source and contains no secret.
func (c *Config) Open(s Source, catalogue *provider.Catalogue) (*provider.Source, error) {
	pack, ok := catalogue.Get(s.Provider)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", s.Provider)
	}
	secrets := make([]string, len(s.Secrets))
	for i, secret := range s.Secrets {
		secrets[i] = secret.Reveal()
	}
	opened, err := provider.NewSource(provider.SourceConfig{
		Name: s.Name, Pack: pack, Secrets: secrets, Captured: s.Captured, Tolerance: s.Tolerance, MaxBody: s.MaxBody,
		DigestWindow: s.DigestWindow, Enforce: s.Enforce, PublicURL: c.HTTP.PublicURL != nil,
	})
	if err != nil {
		return nil, err
	}
	// A body that fits the source and never the budget would be sent again and again.
	if most := opened.MaxBody(); most > c.HTTP.MaxInFlight {
		return nil, fmt.Errorf("%s sends bodies of up to %s, and http.max_in_flight is %s; raise it, or set max_body",
			pack.Spec().GetName(), formatSize(most), formatSize(c.HTTP.MaxInFlight))
	}
	return opened, nil
}
