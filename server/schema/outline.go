package schema

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const (
	// maxPaths is how many paths one list of an option may have, maxDemands how many demands there may be on one type.
	maxPaths   = 16
	maxDemands = 64
)

// outline is by what a document is known to be of a type; nil for nothing.
type outline struct {
	demands []demand
	// required has a bit for each of the demands that a document breaks which is empty.
	required uint64
	root     *need
}

// demand is one condition. Its bit is that of its place in the list.
type demand struct {
	kind       demandKind
	path, text string
}

type demandKind uint8

const (
	// present: the path is there, whatever stands there.
	present demandKind = iota
	// absent: it is not, or is null.
	absent
	// notNull: what stands there isn't null.
	notNull
	// beginsWith: what stands there is a text that begins with another one, or null.
	beginsWith
)

// String is the field of the option.
func (k demandKind) String() string {
	switch k {
	case absent:
		return "excludes"
	case notNull:
		return "filled"
	case beginsWith:
		return "begins"
	}
	return "requires"
}

// need is one key on the way to what is demanded.
type need struct {
	// present has the bit of the demand that there is something here.
	present uint64
	// values are the demands on what stands here.
	values []valueDemand
	below  map[string]*need
}

type valueDemand struct {
	bit uint64
	demand
}

// newOutline collects what an option demands of one of its types.
func newOutline(option *hookbridgev1.EventOptions, element string) (*outline, error) {
	o := &outline{root: &need{}}
	if err := errors.Join(o.add("", present, option.GetRequires()), o.add("", absent, option.GetExcludes())); err != nil {
		return nil, err
	}
	for n, spec := range option.GetShapes() {
		at := fmt.Sprintf("shapes[%d].", n)
		for m, name := range spec.GetTypes() {
			if !slices.Contains(option.GetTypes(), name) {
				return nil, fmt.Errorf("%stypes[%d]: want one of the option's types, got %q", at, m, name)
			}
		}
		if len(spec.GetTypes()) > 0 && !slices.Contains(spec.GetTypes(), element) {
			continue
		}
		err := errors.Join(o.add(at, present, spec.GetRequires()), o.add(at, absent, spec.GetExcludes()), o.add(at, notNull, spec.GetFilled()),
			o.addPrefixes(at, spec.GetBegins()))
		if err != nil {
			return nil, err
		}
	}
	switch {
	case len(o.demands) > maxDemands:
		return nil, fmt.Errorf("want at most %d paths for one type, got %d", maxDemands, len(o.demands))
	case len(o.demands) == 0:
		return nil, nil
	}
	return o, nil
}

func (o *outline) add(at string, kind demandKind, paths []string) error {
	if len(paths) > maxPaths {
		return fmt.Errorf("%s%s: want at most %d paths, got %d", at, kind, maxPaths, len(paths))
	}
	for n, path := range paths {
		if err := o.demand(demand{kind: kind, path: path}); err != nil {
			return fmt.Errorf("%s%s[%d]: %w", at, kind, n, err)
		}
	}
	return nil
}

func (o *outline) addPrefixes(at string, prefixes []*hookbridgev1.EventPrefix) error {
	if len(prefixes) > maxPaths {
		return fmt.Errorf("%s%s: want at most %d paths, got %d", at, beginsWith, maxPaths, len(prefixes))
	}
	for n, p := range prefixes {
		if p.GetText() == "" {
			return fmt.Errorf("%s%s[%d].text: want a text, got none", at, beginsWith, n)
		}
		if err := o.demand(demand{beginsWith, p.GetPath(), p.GetText()}); err != nil {
			return fmt.Errorf("%s%s[%d].path: %w", at, beginsWith, n, err)
		}
	}
	return nil
}

// demand puts a demand where its path ends.
func (o *outline) demand(d demand) error {
	if slices.ContainsFunc(o.demands, func(known demand) bool { return known.path == d.path && known.kind == d.kind }) {
		return fmt.Errorf("%q is there twice", d.path)
	}
	at := o.root
	for key := range strings.SplitSeq(d.path, ".") {
		if key == "" {
			return fmt.Errorf("want keys joined by dots, got %q", d.path)
		}
		if at.below == nil {
			at.below = map[string]*need{}
		}
		if at.below[key] == nil {
			at.below[key] = &need{}
		}
		at = at.below[key]
	}
	bit := uint64(1) << len(o.demands)
	o.demands = append(o.demands, d)
	if d.kind == present {
		o.required |= bit
		at.present |= bit
		return nil
	}
	at.values = append(at.values, valueDemand{bit, d})
	return nil
}

// broken returns the bits of the demands that a document breaks, which is JSON.
func (o *outline) broken(document []byte) uint64 {
	if o == nil {
		return 0
	}
	return o.root.look(gjson.ParseBytes(document), o.required)
}

// look returns the bits of what is broken after the keys of a value were looked at, when broken was before.
func (n *need) look(value gjson.Result, broken uint64) uint64 {
	if !value.IsObject() {
		return broken
	}
	value.ForEach(func(key, value gjson.Result) bool {
		if below := n.below[key.String()]; below != nil {
			broken = below.judge(value, broken&^below.present)
			if below.below != nil {
				broken = below.look(value, broken)
			}
		}
		return true
	})
	return broken
}

// judge is what is broken when a value stands there.
func (n *need) judge(value gjson.Result, broken uint64) uint64 {
	for _, d := range n.values {
		wrong := value.Type == gjson.Null
		switch d.kind {
		case absent:
			wrong = !wrong
		case beginsWith:
			wrong = !wrong && (value.Type != gjson.String || !strings.HasPrefix(value.Str, d.text))
		}
		if wrong {
			broken |= d.bit
		}
	}
	return broken
}

// violations says of each demand that is broken what is wanted.
func (o *outline) violations(broken uint64) []violation {
	var found []violation
	for ; broken != 0; broken &= broken - 1 {
		d := o.demands[bits.TrailingZeros64(broken)]
		found = append(found, violation{field: d.path, message: d.message(), label: d.path})
	}
	return found
}

func (d demand) message() string {
	switch d.kind {
	case absent:
		return "want nothing, as no event of this type has it, got a value"
	case notNull:
		return "want a value, as every event of this type has it, got null"
	case beginsWith:
		return fmt.Sprintf("want a text that begins with %q, as in every event of this type, got another value", d.text)
	}
	return "want a value, as every event of this type has it, got nothing"
}
