package provider

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

//go:embed packs samples
var files embed.FS

// Catalogue is a set of packs. It doesn't change and is safe for concurrent use.
type Catalogue struct {
	packs   map[string]*Pack
	samples map[string][]Sample
}

// Sample is a body that a provider could send.
type Sample struct {
	// Type is the event's type.
	Type string
	Body []byte
}

// Builtin returns the packs that are compiled in.
func Builtin() (*Catalogue, error) {
	c := &Catalogue{packs: map[string]*Pack{}, samples: map[string][]Sample{}}
	entries, err := fs.ReadDir(files, "packs")
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, entry := range entries {
		name := path.Join("packs", entry.Name())
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		pack, err := Parse(name, data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.packs[pack.Key()] = pack
	}
	return c, errors.Join(append(errs, c.readSamples())...)
}

// With returns a catalogue that has one more pack, of a file. A provider that is there already is an error.
func (c *Catalogue) With(file string, pack *Pack) (*Catalogue, error) {
	if _, twice := c.packs[pack.Key()]; twice {
		return nil, fmt.Errorf("%s: the provider %q is built in; give yours another key", file, pack.Key())
	}
	more := &Catalogue{packs: maps.Clone(c.packs), samples: c.samples}
	more.packs[pack.Key()] = pack
	return more, nil
}

// Parse reads a pack. Errors name the file and the field.
func Parse(file string, data []byte) (*Pack, error) {
	// What else ends lines for the YAML parser doesn't for protoyaml, which then looks for the source of an error beyond the last
	// line, and panics.
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if bytes.ContainsAny(data, "\r\u0085\u2028\u2029") {
		return nil, fmt.Errorf("%s: lines end with a line feed, and with nothing else", file)
	}
	spec := &providerv1.Pack{}
	if err := (protoyaml.UnmarshalOptions{Path: file}).Unmarshal(data, spec); err != nil {
		if !strings.HasPrefix(err.Error(), file) {
			err = fmt.Errorf("%s: %w", file, err)
		}
		return nil, err
	}
	if err := protovalidate.Validate(spec); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if want := spec.GetKey() + ".yaml"; path.Base(file) != want {
		return nil, fmt.Errorf("%s: key: the file of %q is called %s", file, spec.GetKey(), want)
	}
	pack, err := newPack(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pack, nil
}

// Get returns a pack by its key.
func (c *Catalogue) Get(key string) (*Pack, bool) {
	p, ok := c.packs[key]
	return p, ok
}

// Keys returns the keys of all packs, sorted.
func (c *Catalogue) Keys() []string { return slices.Sorted(maps.Keys(c.packs)) }

// Samples returns a provider's sample bodies, sorted by type.
func (c *Catalogue) Samples(key string) []Sample { return slices.Clone(c.samples[key]) }

// Sample returns the sample of a type; of no type, the first one.
func (c *Catalogue) Sample(key, typ string) (Sample, bool) {
	for _, s := range c.samples[key] {
		if typ == "" || s.Type == typ {
			return s, true
		}
	}
	return Sample{}, false
}

// readSamples reads samples/<provider>/<type>.json; a slash in a type is a tilde in its file's name.
func (c *Catalogue) readSamples() error {
	return fs.WalkDir(files, "samples", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key := path.Base(path.Dir(name))
		typ, ok := strings.CutSuffix(path.Base(name), ".json")
		if _, known := c.packs[key]; !ok || !known {
			return fmt.Errorf("%s: samples are samples/<provider>/<type>.json, of a provider that has a pack", name)
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		c.samples[key] = append(c.samples[key], Sample{Type: strings.ReplaceAll(typ, "~", "/"), Body: body})
		return nil
	})
}
