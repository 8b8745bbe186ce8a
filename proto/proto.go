// Package proto has the sources of the schema: what generated code knows of it, but for the comments, which are its documentation.
package proto

import "embed"

// Sources has the .proto files, by their import paths.
//
//go:embed hookbridge
var Sources embed.FS
