package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hookbridge/hookbridge/server/provider"
)

// maxPack bounds a file with a pack; the largest that is built in has a few KiB.
const maxPack = 1 << 20

// providers reads the operator's own packs and adds them to the catalogue.
func (c *completion) providers(names []string) []Provider {
	var list []Provider
	c.catalogue = c.options.Catalogue
	first := map[string]int{}
	for i, name := range names {
		path := fmt.Sprintf("providers[%d]", i)
		file, ok := c.file("providers", i, name, "a file with a pack, like acme.yaml", first)
		if !ok {
			continue
		}
		p := Provider{Name: name, File: file}
		var err error
		if p.Pack, err = readSome(p.File, maxPack, "pack"); err != nil {
			c.Add(path, "%v", err)
			c.broken(p, err)
			continue
		}
		if c.catalogue != nil {
			extended, err := extend(c.catalogue, p)
			if err != nil {
				c.unfit(path, err)
				c.broken(p, err)
				continue
			}
			c.catalogue = extended
		}
		list = append(list, p)
	}
	return list
}

// broken keeps it from being said that there is no provider where only its pack is wrong: it is the one that the file is named after, and the
// one that it names.
func (c *completion) broken(p Provider, reason error) {
	if c.catalogue == nil {
		return
	}
	keys := []string{strings.TrimSuffix(filepath.Base(p.File), filepath.Ext(p.File))}
	var named struct{ Key string }
	if yaml.Unmarshal(p.Pack, &named) == nil && named.Key != "" {
		keys = append(keys, named.Key)
	}
	for _, key := range keys {
		c.catalogue = c.catalogue.WithBroken(p.Name, key, reason)
	}
}

// extend adds a pack. Its errors name the file, and where in it.
func extend(catalogue *provider.Catalogue, p Provider) (*provider.Catalogue, error) {
	pack, err := provider.Parse(p.Name, p.Pack)
	if err != nil {
		return nil, err
	}
	return catalogue.With(p.Name, pack)
}

// Extend returns the providers of a catalogue and those of the configuration.
func (c *Config) Extend(catalogue *provider.Catalogue) (*provider.Catalogue, error) {
	var errs []error
	for i, p := range c.Providers {
		extended, err := extend(catalogue, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("providers[%d]: %w", i, err))
			continue
		}
		catalogue = extended
	}
	return catalogue, errors.Join(errs...)
}
