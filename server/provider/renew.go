package provider

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Renew returns the document of another delivery of the same: with another id, where it has that in one member and as a text; of a list each event has
// its own. What says of what kind an id is, like evt_, stays. A document is returned as it is where its id is not there, or not a text, and where
// events keep what is around them.
func (p *Pack) Renew(document []byte, id string) []byte {
	switch {
	case p.batch == nil:
		if path := p.idPath(); path != "" {
			document, _ = renewAt(document, path, id)
		}
	case p.batch.whole:
	case p.batch.array && gjson.ValidBytes(document):
		for _, list := range p.batch.lists {
			document = p.renewList(document, list[0], id)
		}
	case p.batch.lines:
		if lines, ok, err := splitLines(document); ok && err == nil {
			var all [][]byte
			for _, line := range lines {
				all = append(all, line.raw)
			}
			document = bytes.Join(p.renewAll(all, id), []byte("\n"))
		}
	}
	return document
}

// HasID says whether a path, in the notation of --set, is where Renew puts an id.
func (p *Pack) HasID(path string) bool {
	if p.batch == nil {
		return path != "" && path == p.idPath()
	}
	return slices.ContainsFunc(p.idPaths(), func(id string) bool {
		event, ok := strings.CutSuffix(path, id)
		return ok && p.batch.isEvent(event)
	})
}

// isEvent says whether a path, up to a dot at its end, leads to an event of a list; "" leads to one that is the document, or a line of it.
func (b *batch) isEvent(path string) bool {
	return path == "" || slices.ContainsFunc(b.lists, func(list listPath) bool {
		before := list[0]
		if before != "" {
			before += "."
		}
		index, is := strings.CutPrefix(path, before)
		index, ends := strings.CutSuffix(index, ".")
		_, err := strconv.Atoi(index)
		return is && ends && err == nil
	})
}

// renewList renews the events of the list that is at a path of a document; "" for the document itself.
func (p *Pack) renewList(document []byte, path, id string) []byte {
	from, raw := 0, trim(document)
	if path != "" {
		at := gjson.GetBytes(document, path)
		from, raw = at.Index, []byte(at.Raw)
	}
	if len(raw) == 0 || raw[0] != '[' {
		return document
	}
	events, err := splitArray(raw)
	if err != nil {
		return document
	}
	list := slices.Concat([]byte("["), bytes.Join(p.renewAll(events, id), []byte(",")), []byte("]"))
	if path == "" {
		return list
	}
	return slices.Concat(document[:from], list, document[from+len(raw):])
}

// renewAll gives events an id; where they are many it has the place of each behind it.
func (p *Pack) renewAll(events [][]byte, id string) [][]byte {
	for n, event := range events {
		own := id
		if len(events) > 1 {
			own = fmt.Sprintf("%s-%d", id, n+1)
		}
		for _, path := range p.idPaths() {
			if renewed, ok := renewAt(event, path, own); ok {
				events[n] = renewed
				break
			}
		}
	}
	return events
}

// idPaths are where an event of a list may have its id, or a part of that, in gjson's notation.
func (p *Pack) idPaths() (paths []string) {
	for _, s := range p.id {
		for _, part := range s.parts {
			if !part.envelope && part.place.InDocument() {
				paths = append(paths, part.place.GJSONPath())
			}
		}
	}
	return paths
}

// renewAt puts an id where another one is.
func renewAt(document []byte, path, id string) (renewed []byte, ok bool) {
	was := gjson.GetBytes(document, path)
	if was.Type != gjson.String {
		return document, false
	}
	renewed, err := sjson.SetBytes(document, path, was.Str[:strings.LastIndexByte(was.Str, '_')+1]+id)
	if err != nil {
		return document, false
	}
	return renewed, true
}
