package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
	"github.com/hookbridge/hookbridge/server/document"
	"github.com/hookbridge/hookbridge/server/provider"
)

// checkSources reports of each source what its provider has against it. Whatever else is wrong, what can be known of a source is said: of one
// whose secrets can't all be read, what holds whatever they are.
func (c *completion) checkSources(config *Config, list []*configv1.Source) {
	if c.options.CheckSource != nil {
		c.askAboutSources(config)
		return
	}
	if c.catalogue == nil {
		return
	}
	before := &document.Document{Problems: slices.Clone(c.Problems)}
	for i, s := range config.Sources {
		path := fmt.Sprintf("sources[%d]", i)
		pack, ok := c.catalogue.Get(s.Provider)
		if !ok {
			continue // It was reported that there is none, or what is wrong with it.
		}
		described := config.describe(s, pack)
		// What is wrong can't be missing.
		described.PublicURL = described.PublicURL || c.At("http.public_url")
		references := path + ".secrets"
		unread := len(list[i].GetSecrets()) - len(c.read[references])
		if s.Captured && !s.HasCaptured() {
			unread--
		}
		if c.At(references) {
			unread = max(unread, 1)
		}
		c.refused(path, described.Check(unread), before)
		if !c.At(path+".max_body") && !c.At("http.max_in_flight") {
			c.refused(path, config.bodiesFit(s, pack), before)
		}
	}
}

// askAboutSources lets the caller refuse sources that are right by themselves. It is asked when everything that is not in a source
// is right: what it looks at besides the source is then what the file says.
func (c *completion) askAboutSources(config *Config) {
	if slices.ContainsFunc(c.Problems, func(p Problem) bool { return !strings.HasPrefix(p.Path, "sources[") }) {
		return
	}
	for i, s := range config.Sources {
		if path := fmt.Sprintf("sources[%d]", i); !c.Under(path) {
			c.refused(path, c.options.CheckSource(config, s), &document.Document{})
		}
	}
}

// refused reports what is wrong with a source where it stands, unless something was wrong there before.
func (c *completion) refused(path string, err error, before *document.Document) {
	if err == nil {
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range several.Unwrap() {
			c.refused(path, each, before)
		}
		return
	}
	at, reason := path, err
	if secret, ok := errors.AsType[*provider.SecretError](err); ok {
		at, reason = fmt.Sprintf("%s.secrets[%d]", path, secret.Position), secret.Reason
		if read := c.read[path+".secrets"]; secret.Position < len(read) {
			at = fmt.Sprintf("%s.secrets[%d]", path, read[secret.Position])
		}
	} else if setting, ok := errors.AsType[*provider.SettingError](err); ok {
		at, reason = path+".settings."+setting.Setting, setting.Reason
	} else if field, ok := errors.AsType[*provider.FieldError](err); ok {
		at, reason = path+"."+field.Field, field.Reason
		if field.Field == captured {
			at = path + ".secrets"
		}
	}
	if !before.At(at) {
		c.Add(at, "%v", reason)
	}
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
