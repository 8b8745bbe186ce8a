package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds how deep a document is looked into.
const maxDepth = 64

var errNoJSON = errors.New("is no JSON")

// Unambiguous checks that data is one JSON value in which no object has a member twice, in whatever case: readers differ in which one they
// take, and a signature over some of the values holds for only one reader then. The error is ErrMalformed.
func Unambiguous(data []byte) error {
	if err := unambiguous(data, maxDepth); err != nil {
		return fmt.Errorf("%w: the body %w", ErrMalformed, err)
	}
	return nil
}

func unambiguous(data []byte, depth int) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, depth); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNoJSON
	}
	return nil
}

func walk(d *json.Decoder, depth int) error {
	if depth == 0 {
		return errors.New("is nested too deeply")
	}
	token, err := d.Token()
	if err != nil {
		return errNoJSON
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return errNoJSON
			}
			text, _ := name.(string)
			if text = strings.ToLower(text); seen[text] {
				return errors.New("has a member twice")
			}
			seen[text] = true
		}
		if err := walk(d, depth-1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errNoJSON
	}
	return nil
}
