package schema

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/tidwall/gjson"
)

// maxRequires is how many paths a message may require.
const maxRequires = 16

// requires are the paths that every document of a message has; nil for none. What stands there doesn't matter.
type requires struct {
	paths []string
	// all has a bit for each of the paths.
	all  uint64
	root *need
}

// need is one key on the way to what is required.
type need struct {
	// bit is that of the path which ends here; 0 where none does.
	bit   uint64
	below map[string]*need
}

func newRequires(paths []string) (*requires, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	if len(paths) > maxRequires {
		return nil, fmt.Errorf("requires: want at most %d paths, got %d", maxRequires, len(paths))
	}
	r := &requires{paths: paths, all: 1<<len(paths) - 1, root: &need{}}
	for n, path := range paths {
		at := r.root
		for key := range strings.SplitSeq(path, ".") {
			if key == "" {
				return nil, fmt.Errorf("requires[%d]: want keys joined by dots, got %q", n, path)
			}
			if at.below == nil {
				at.below = map[string]*need{}
			}
			if at.below[key] == nil {
				at.below[key] = &need{}
			}
			at = at.below[key]
		}
		if at.bit != 0 {
			return nil, fmt.Errorf("requires[%d]: %q is there twice", n, path)
		}
		at.bit = 1 << n
	}
	return r, nil
}

// missing returns the bits of the paths that a document lacks, which is JSON.
func (r *requires) missing(document []byte) uint64 {
	if r == nil {
		return 0
	}
	return r.all &^ r.root.found(gjson.ParseBytes(document))
}

// found returns the bits of the paths that a value has.
func (n *need) found(value gjson.Result) uint64 {
	if !value.IsObject() {
		return 0
	}
	var bits uint64
	value.ForEach(func(key, value gjson.Result) bool {
		if below := n.below[key.String()]; below != nil {
			bits |= below.bit
			if below.below != nil {
				bits |= below.found(value)
			}
		}
		return true
	})
	return bits
}

// violations names the paths that are missing.
func (r *requires) violations(missing uint64) []violation {
	var found []violation
	for ; missing != 0; missing &= missing - 1 {
		path := r.paths[bits.TrailingZeros64(missing)]
		found = append(found, violation{field: path, message: "want a value, as every event of this type has it, got nothing", label: path})
	}
	return found
}
