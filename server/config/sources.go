package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
	"github.com/hookbridge/hookbridge/server/provider"
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
			Enforce:  m.GetValidation() == "enforce",
			MaxBody:  c.size(path+".max_body", m.GetMaxBody(), sizeRange{Min: 1 << 10, Max: 25 << 20}),
			Tolerance: c.duration(path+".tolerance", m.GetTolerance(),
				durationRange{Min: time.Second, Max: 24 * time.Hour}),
			Rate:  m.GetRate(),
			Burst: int(m.GetBurst()),
		}
		c.secrets(path+".secrets", m.GetSecrets(), config.Journal.Dir, &s)
		s.DigestWindow = c.window(path+".digest_window", m.GetDigestWindow(), 5*time.Minute, config.Journal.MaxAge)
		if m.GetDedupe() == "none" {
			s.DigestWindow = 0
			if m.GetDigestWindow() != "" {
				c.add(path+".digest_window", "has no meaning with dedupe: none; leave one of them out")
			}
		}
		if s.Burst > 0 && s.Rate == 0 && !c.at(path+".rate") {
			c.add(path+".burst", "has no meaning without a rate; give a rate or leave it out")
		}
		if s.MaxBody > config.HTTP.MaxInFlight {
			c.add(path+".max_body", "want at most http.max_in_flight, which is %s; got %s",
				formatSize(config.HTTP.MaxInFlight), c.document.got(path+".max_body"))
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
		c.add(fmt.Sprintf("%s[%d].name", list, i), "%s is the name of %s[%d] already", quote(name), list, earlier)
	default:
		first[name] = i
	}
}

func (c *completion) provider(path, key string) string {
	known := c.options.Providers
	if key != "" && len(known) > 0 && !slices.Contains(known, key) && !c.at(path) {
		c.add(path, "there is no provider %s%s", quote(key), didYouMean(key, known))
	}
	return key
}

func (c *completion) secrets(path string, references []string, journal string, s *Source) {
	for i, reference := range references {
		element := fmt.Sprintf("%s[%d]", path, i)
		if c.at(element) {
			continue
		}
		if reference == captured {
			c.captured(element, journal, i == len(references)-1, s)
			continue
		}
		secret, err := readSecret(reference, c.options.LookupEnv, func(path string) string {
			path = c.absolute(path)
			c.files = append(c.files, path)
			return path
		})
		if err != nil {
			c.add(element, "%v", err)
			continue
		}
		s.Secrets = append(s.Secrets, secret)
	}
}

// captured takes the secret that the provider's handshake brought, if it has.
func (c *completion) captured(path, journal string, last bool, s *Source) {
	if !last {
		c.add(path, "captured is the last of the secrets")
		return
	}
	s.Captured = true
	secret, ok, err := readCaptured(journal, s.Name)
	if err != nil {
		c.add(path, "%v", err)
	}
	if ok {
		s.Secrets = append(s.Secrets, secret)
	}
}

// checkSources lets the caller refuse sources that are right by themselves. It is asked when everything that is not in a source
// is right: what it looks at besides the source is then what the file says.
func (c *completion) checkSources(config *Config) {
	if c.options.CheckSource == nil || slices.ContainsFunc(c.list, func(p Problem) bool {
		return !strings.HasPrefix(p.Path, "sources[")
	}) {
		return
	}
	for i, s := range config.Sources {
		path := fmt.Sprintf("sources[%d]", i)
		if slices.ContainsFunc(c.list, func(p Problem) bool { return p.Path == path || strings.HasPrefix(p.Path, path+".") }) {
			continue
		}
		if err := c.options.CheckSource(config, s); err != nil {
			c.refused(path, err)
		}
	}
}

// refused reports what CheckSource said, of each secret where it stands.
func (c *completion) refused(path string, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range several.Unwrap() {
			c.refused(path, each)
		}
		return
	}
	if secret, ok := errors.AsType[*provider.SecretError](err); ok {
		c.add(fmt.Sprintf("%s.secrets[%d]", path, secret.Position), "%v", secret.Reason)
		return
	}
	c.add(path, "%v", err)
}

// readable says whether a file can be opened and read.
func readable(path string) error {
	file, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return fileError(path, err)
	}
	return nil
}
