package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// set puts values into a JSON body. What is JSON by itself (a number, true, a list) stays what it is, everything else is a text.
func set(body []byte, sets []string) ([]byte, error) {
	for _, assignment := range sets {
		path, value, ok := strings.Cut(assignment, "=")
		if !ok || path == "" {
			return nil, usageError{fmt.Errorf("--set wants PATH=VALUE, got %q", assignment)}
		}
		if slices.Contains(elements(path), "") {
			return nil, usageError{fmt.Errorf("--set %s: want names and numbers with a dot between each two, and element %d is empty", path, slices.Index(elements(path), "")+1)}
		}
		if !json.Valid(body) {
			return nil, fmt.Errorf("--set %s: the body is no JSON", path)
		}
		if err := settable(body, path); err != nil {
			return nil, err
		}
		var err error
		if json.Valid([]byte(value)) {
			body, err = sjson.SetRawBytes(body, path, []byte(value))
		} else {
			body, err = sjson.SetBytes(body, path, value)
		}
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", path, err)
		}
	}
	return body, nil
}

// elements cuts a path at its dots, but for those behind a backslash, which stay as they are written.
func elements(path string) []string {
	var list []string
	from := 0
	for n := 0; n < len(path); n++ {
		switch path[n] {
		case '\\':
			n++
		case '.':
			list, from = append(list, path[from:n]), n+1
		}
	}
	return append(list, path[from:])
}

// settable says which element of a path doesn't fit what the body has there: sjson would put an object in the place of a text without a word, and
// fill a list up to any number.
func settable(body []byte, path string) error {
	at, list := gjson.ParseBytes(body), elements(path)
	for n, element := range list {
		where := cmp.Or(strings.Join(list[:n], "."), "the body")
		number, err := strconv.Atoi(element)
		numbered := err == nil && (number >= 0 || element == "-1")
		there := at.Exists() && at.Type != gjson.Null
		switch {
		case strings.ContainsAny(escaped.ReplaceAllString(element, ""), "#*?|@"):
			return usageError{fmt.Errorf("--set %s: want the names of members and the numbers of elements, got %q, which could be several", path, element)}
		case at.IsArray() && !numbered:
			return fmt.Errorf("--set %s: %s is a list: want the number of an element, from 0, or -1 for one more at its end, got %q", path, where, element)
		case at.IsArray() && number > len(at.Array()):
			return fmt.Errorf("--set %s: %s has %s: want a number from 0 to %d, or -1 for one more at its end, got %s", path, where, counted(len(at.Array()), "element", "elements"), len(at.Array()), element)
		case there && !at.IsObject() && !at.IsArray():
			return fmt.Errorf("--set %s: %s is %s: want an object or a list there", path, where, kindOf(at))
		case !there && number > 0:
			return fmt.Errorf("--set %s: %s is not there yet, and would be a list with its first element: want 0, or :%s for a member of this name", path, where, element)
		}
		if at = at.Get(element); element == "-1" {
			at = gjson.Result{}
		}
	}
	return nil
}

// escaped are the characters that a path has behind a backslash.
var escaped = regexp.MustCompile(`\\.`)

// kindOf names the kind of a JSON value that is neither object nor list.
func kindOf(value gjson.Result) string {
	switch value.Type {
	case gjson.String:
		return "a text"
	case gjson.Number:
		return "a number"
	}
	return "true or false"
}
