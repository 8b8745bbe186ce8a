package provider

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/document"
	"github.com/hookbridge/hookbridge/server/signature"
)

//go:embed packs samples testdata/fixtures
var files embed.FS

// Catalogue is a set of packs. It doesn't change and is safe for concurrent use. A pack is read when it is first asked for: a bridge
// needs few of them, and reading all of them takes longer than everything else at its start.
type Catalogue struct {
	packs map[string]*entry
	// files are those of the packs that aren't compiled in, by key.
	files map[string]string
}

// entry is a pack that may not have been read yet.
type entry struct{ read func() (*Pack, error) }

func read(pack *Pack) *entry { return &entry{func() (*Pack, error) { return pack, nil }} }

// Sample is what a provider could send.
type Sample struct {
	// Type is the event's type.
	Type string
	// Body is the document, for Source.Deliver. Where the provider's bodies carry none, it is the whole body, which may be empty.
	Body []byte
}

// Builtin returns the packs that are compiled in.
func Builtin() (*Catalogue, error) {
	c := &Catalogue{packs: map[string]*entry{}, files: map[string]string{}}
	entries, err := fs.ReadDir(files, "packs")
	if err != nil {
		return nil, err
	}
	for _, file := range entries {
		name := path.Join("packs", file.Name())
		c.packs[strings.TrimSuffix(file.Name(), ".yaml")] = &entry{sync.OnceValues(func() (*Pack, error) {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				return nil, err
			}
			return Parse(name, data)
		})}
	}
	return c, nil
}

// Check reads all packs and says what is wrong with them. Of the built-in ones a test has made sure that it is nothing.
func (c *Catalogue) Check() error {
	var errs []error
	for _, key := range c.Keys() {
		if _, err := c.packs[key].read(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// With returns a catalogue that has one more pack, of a file. A provider that is there already is an error, which says where in the file it
// is named.
func (c *Catalogue) With(file string, pack *Pack) (*Catalogue, error) {
	if _, twice := c.packs[pack.Key()]; twice {
		named := document.Problem{Line: pack.line, Column: pack.column, Path: "key"}
		if named.Text = fmt.Sprintf("the provider %q is built in; give yours another key", pack.Key()); c.files[pack.Key()] != "" {
			named.Text = fmt.Sprintf("the provider %q is in %s already", pack.Key(), c.files[pack.Key()])
		}
		return nil, errors.New(named.In(file))
	}
	more := &Catalogue{packs: maps.Clone(c.packs), files: maps.Clone(c.files)}
	more.packs[pack.Key()], more.files[pack.Key()] = read(pack), file
	return more, nil
}

// WithBroken returns a catalogue that also lists a provider whose pack, of a file, is wrong: Keys has it, and Get hasn't, not even where it is the
// key of a pack that is there.
func (c *Catalogue) WithBroken(file, key string, reason error) *Catalogue {
	more := &Catalogue{packs: maps.Clone(c.packs), files: maps.Clone(c.files)}
	if _, there := more.packs[key]; !there {
		more.files[key] = file
	}
	more.packs[key] = &entry{func() (*Pack, error) { return nil, reason }}
	return more
}

// Get returns a pack by its key. One that Check finds something wrong with isn't there.
func (c *Catalogue) Get(key string) (*Pack, bool) {
	e, ok := c.packs[key]
	if !ok {
		return nil, false
	}
	pack, err := e.read()
	return pack, err == nil
}

// Keys returns the keys of all packs, sorted.
func (c *Catalogue) Keys() []string { return slices.Sorted(maps.Keys(c.packs)) }

// Samples returns a provider's sample bodies, sorted by type. Where there are none of its own, they are what its fixture has.
func (c *Catalogue) Samples(key string) []Sample {
	if own := ownSamples(key); len(own) > 0 {
		return own
	}
	return c.fixtureSamples(key)
}

// fixtureSamples are the documents in a fixture, one of each type, and those without a type only where there is none with one. It is read only when
// it is asked for. What can't be read has none: a test sees to that there is nothing of the kind.
func (c *Catalogue) fixtureSamples(key string) []Sample {
	pack, known := c.Get(key)
	data, err := fs.ReadFile(files, path.Join("testdata", "fixtures", key+".yaml"))
	if err != nil || !known {
		return nil
	}
	fixture := &providerv1.Fixture{}
	if err := protoyaml.Unmarshal(data, fixture); err != nil {
		return nil
	}
	byType := map[string]Sample{}
	for _, one := range fixture.GetCases() {
		if len(one.GetEvents()) == 0 {
			continue
		}
		typ, contentType := one.GetEvents()[0].GetType(), ""
		for name, value := range one.GetHeaders() {
			if strings.EqualFold(name, "Content-Type") {
				contentType = value
			}
		}
		if _, twice := byType[typ]; twice {
			continue
		}
		if body, ok := pack.sampleOf(contentType, []byte(one.GetBody())); ok {
			byType[typ] = Sample{Type: typ, Body: body}
		}
	}
	if len(byType) > 1 {
		delete(byType, unknownType)
	}
	return slices.SortedFunc(maps.Values(byType), func(a, b Sample) int { return strings.Compare(a.Type, b.Type) })
}

// sampleOf returns of a body what Source.Deliver makes the like of: its document, or all of it where the pack's bodies have none by design.
func (p *Pack) sampleOf(contentType string, raw []byte) (sample []byte, ok bool) {
	kind, err := p.bodyOf(contentType)
	if err != nil {
		return nil, false
	}
	if document := kind.document(contentType, raw); signature.IsJSON(document) {
		return document, true
	}
	return raw, kind == p.bodies[0] && kind.lacks(contentType, raw)
}

// Sample returns the sample of a type; of no type, the first one.
func (c *Catalogue) Sample(key, typ string) (Sample, bool) {
	for _, s := range c.Samples(key) {
		if typ == "" || s.Type == typ {
			return s, true
		}
	}
	return Sample{}, false
}

// ownSamples reads samples/<provider>/<type>.json; a slash in a type is a tilde in its file's name, and a colon is %3A.
func ownSamples(key string) []Sample {
	written := strings.NewReplacer("~", "/", "%3A", ":")
	folder := path.Join("samples", key)
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil
	}
	var list []Sample
	for _, file := range entries {
		if body, err := fs.ReadFile(files, path.Join(folder, file.Name())); err == nil {
			list = append(list, Sample{Type: written.Replace(strings.TrimSuffix(file.Name(), ".json")), Body: body})
		}
	}
	return list
}
