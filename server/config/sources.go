package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
	"github.com/hookbridge/hookbridge/server/document"
)

func (c *completion) sources(list []*configv1.Source, config *Config) []Source {
	var sources []Source
	first := map[string]int{}
	for i, m := range list {
		path := fmt.Sprintf("sources[%d]", i)
		c.unique("sources", i, m.GetName(), first)
		s := Source{
			Name:     m.GetName(),
			Provider: c.provider(path+".provider", m.GetProvider()),
			Scheme:   m.GetScheme(),
			Enforce:  m.GetValidation() == "enforce",
			MaxBody:  c.size(path+".max_body", m.GetMaxBody(), sizeRange{Min: 1 << 10, Max: 25 << 20}),
			Tolerance: c.duration(path+".tolerance", m.GetTolerance(),
				durationRange{Min: time.Second, Max: 24 * time.Hour}),
			Rate:  m.GetRate(),
			Burst: int(m.GetBurst()),
		}
		c.secrets(path+".secrets", m.GetSecrets(), config.Journal.Dir, &s)
		c.settings(path+".settings", m.GetSettings(), &s)
		s.DigestWindow = c.window(path+".digest_window", m.GetDigestWindow(), 5*time.Minute, config.Journal.MaxAge)
		if m.GetDedupe() == "" && m.GetDigestWindow() == "" && c.repeats(s.Provider) {
			s.DigestWindow = 0
		}
		if m.GetDedupe() == "none" {
			s.DigestWindow = 0
			if m.GetDigestWindow() != "" {
				c.Add(path+".digest_window", "has no meaning with dedupe: none; leave one of them out")
			}
		}
		if s.Burst > 0 && s.Rate == 0 && !c.At(path+".rate") {
			c.Add(path+".burst", "has no meaning without a rate; give a rate or leave it out")
		}
		if s.MaxBody > config.HTTP.MaxInFlight {
			c.Add(path+".max_body", "want at most http.max_in_flight, which is %s; got %s",
				formatSize(config.HTTP.MaxInFlight), c.Got(path+".max_body"))
		}
		sources = append(sources, s)
	}
	return sources
}

// unique reports a name that an element of the list before this one has.
func (c *completion) unique(list string, i int, name string, first map[string]int) {
	earlier, twice := first[name]
	switch {
	case name == "": // The rules of the schema have reported it.
	case twice:
		c.Add(fmt.Sprintf("%s[%d].name", list, i), "%s is the name of %s[%d] already", document.Quote(name), list, earlier)
	default:
		first[name] = i
	}
}

func (c *completion) provider(path, key string) string {
	known := c.options.Providers
	if c.catalogue != nil {
		known = c.catalogue.Keys()
	}
	if key != "" && len(known) > 0 && !slices.Contains(known, key) && !c.At(path) {
		c.Add(path, "there is no provider %s%s", document.Quote(key), document.DidYouMean(key, known))
	}
	return key
}

// secrets reads what the references name. Those that can't be read aren't among the source's.
func (c *completion) secrets(path string, references []string, journal string, s *Source) {
	for i, reference := range references {
		element := fmt.Sprintf("%s[%d]", path, i)
		before := len(s.Secrets)
		switch {
		case c.At(element):
		case reference == captured && i < len(references)-1:
			c.Add(element, "captured is the last of the secrets")
		case reference == captured:
			c.captured(element, journal, s)
		default:
			if secret, ok := c.secret(element, reference); ok {
				s.Secrets = append(s.Secrets, secret)
			}
		}
		if len(s.Secrets) > before {
			c.read[path] = append(c.read[path], i)
		}
	}
	if len(references) == 0 && !c.At(path) && c.wantsSecret(s.Provider) {
		c.Add(path, "want from 1 to 10 references, each env:NAME or file:PATH%s", c.ButGot(path))
	}
}

// demoSecrets refuses the secret of Demo where strangers reach the listener: anybody can sign with it.
func (c *completion) demoSecrets(config *Config) {
	if c.At("http.listen") || loopback(config.HTTP.Listen) {
		return
	}
	for i, s := range config.Sources {
		path := fmt.Sprintf("sources[%d].secrets", i)
		for n, secret := range s.Secrets {
			if secret.value == DemoSecret && n < len(c.read[path]) {
				c.Add(fmt.Sprintf("%s[%d]", path, c.read[path][n]), "everybody knows this one, which is that of serve --demo, and http.listen %q is not a loopback address; "+
					"want one of your own", config.HTTP.Listen)
			}
		}
	}
}

// captured takes the secret that the provider's handshake brought, if it has.
func (c *completion) captured(path, journal string, s *Source) {
	s.Captured = true
	secret, ok, err := readCaptured(journal, s.Name)
	if err != nil {
		c.Add(path, "%v", err)
	}
	if ok {
		s.Secrets = append(s.Secrets, secret)
	}
}

// repeats reports whether equal bodies of a provider may be different events.
func (c *completion) repeats(key string) bool {
	if c.catalogue == nil {
		return false
	}
	pack, ok := c.catalogue.Get(key)
	return ok && pack.BodiesRepeat()
}

// wantsSecret reports whether a source of a provider can't do without a secret, as it can where the provider publishes its keys. Of a provider
// whose pack is wrong nothing is known.
func (c *completion) wantsSecret(key string) bool {
	if c.catalogue == nil {
		return true
	}
	pack, ok := c.catalogue.Get(key)
	return ok && !pack.PublishesKeys() || !ok && !slices.Contains(c.catalogue.Keys(), key)
}

func (c *completion) secret(path, reference string) (Secret, bool) {
	secret, err := readSecret(reference, c.options.LookupEnv, func(path string) string {
		path = c.absolute(path)
		c.files = append(c.files, path)
		return path
	})
	if err != nil {
		c.Add(path, "%v", err)
	}
	return secret, err == nil
}

// settings takes the values; those of secret settings are references.
func (c *completion) settings(path string, values map[string]string, s *Source) {
	secret := c.secretSettings(s.Provider)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		element := path + "." + name
		switch {
		case c.At(element):
		case !slices.Contains(secret, name):
			if s.Settings == nil {
				s.Settings = map[string]string{}
			}
			s.Settings[name] = values[name]
		default:
			if value, ok := c.secret(element, values[name]); ok {
				if s.SecretSettings == nil {
					s.SecretSettings = map[string]Secret{}
				}
				s.SecretSettings[name] = value
			}
		}
	}
}

// secretSettings are the names of a provider's settings that are secret.
func (c *completion) secretSettings(key string) []string {
	var names []string
	if c.catalogue == nil {
		return nil
	}
	if pack, ok := c.catalogue.Get(key); ok {
		for _, s := range pack.Settings() {
			if s.GetSecret() {
				names = append(names, s.GetName())
			}
		}
	}
	return names
}
