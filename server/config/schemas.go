package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hookbridge/hookbridge/server/document"
)

// maxImage bounds an image; the whole of what is built in has less than 1MiB.
const maxImage = 16 << 20

func (c *completion) schemas(names []string) []Schema {
	var schemas []Schema
	first := map[string]int{}
	for i, name := range names {
		path := fmt.Sprintf("schemas[%d]", i)
		file, ok := c.file("schemas", i, name, "an image, as buf build -o writes it", first)
		if !ok {
			continue
		}
		s := Schema{Name: name, File: file}
		var err error
		if s.Image, err = readSome(s.File, maxImage, "image"); err != nil {
			c.Add(path, "%v", err)
			continue
		}
		schemas = append(schemas, s)
	}
	return schemas
}

// readSome reads a regular file that must not be empty, nor larger than most.
func readSome(path string, most int64, what string) ([]byte, error) {
	content, err := readRegular(path, most, what)
	if err == nil && len(content) == 0 {
		return nil, fmt.Errorf("file %s is empty", path)
	}
	return content, err
}

// checkSchemas lets the caller refuse images, if all of them could be read: what one lacks may be in another.
func (c *completion) checkSchemas(config *Config) {
	refused := func(p Problem) bool { return strings.HasPrefix(p.Path, "schemas") }
	if c.options.CheckSchemas == nil || len(config.Schemas) == 0 || slices.ContainsFunc(c.Problems, refused) {
		return
	}
	for i, err := range c.options.CheckSchemas(c.catalogue, config.Schemas) {
		c.unfit(fmt.Sprintf("schemas[%d]", i), err)
	}
}

// unfit reports every problem of an image.
func (c *completion) unfit(path string, err error) {
	if err == nil {
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range several.Unwrap() {
			c.unfit(path, each)
		}
		return
	}
	c.Add(path, "%v", err)
}

// file is the absolute path of an element of a list of files; false, and said, where it is none, or there twice. It is watched from then on.
func (c *completion) file(list string, i int, name, what string, first map[string]int) (absolute string, ok bool) {
	path := fmt.Sprintf("%s[%d]", list, i)
	if c.At(path) {
		return "", false
	}
	if name == "" {
		c.Add(path, "want the path of %s", what)
		return "", false
	}
	absolute = c.absolute(name)
	if earlier, twice := first[absolute]; twice {
		c.Add(path, "%s is %s[%d] already", document.Quote(name), list, earlier)
		return "", false
	}
	first[absolute] = i
	c.files = append(c.files, absolute)
	return absolute, true
}
