package config

import (
	"strings"

	"github.com/hookbridge/hookbridge/server/document"
)

// Problem is one thing that is wrong with a configuration.
type Problem = document.Problem

// Error is everything that is wrong with a configuration.
type Error struct {
	// File is the path as Load was given it.
	File string
	// Problems is in the order of the file and not empty.
	Problems []Problem
	// Files are the files on which it depends, those that can't be read included, in the order of the configuration: when one of
	// them changes, Load may succeed.
	Files []string
}

// Error has one line per problem: file:line:column: path: what was expected.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.In(e.File)
	}
	return strings.Join(lines, "\n")
}

// refusal makes an error of the problems of a document, of which there is at least one.
func refusal(file string, d *document.Document) *Error {
	d.Sort()
	return &Error{File: file, Problems: d.Problems}
}
