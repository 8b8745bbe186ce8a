// Package config reads the configuration file of a bridge.
//
//	cfg, err := config.Load("hookbridge.yaml", config.Options{Providers: keys})
//
// The file is YAML and its shape is the protobuf message hookbridge.config.v1.Config, whose comments are the reference
// (docs/configuration.md is generated from them). Load turns it into a [Config]: durations, sizes and addresses parsed,
// defaults filled in, paths absolute, secrets read. What Load returns is complete and valid; nothing behind it parses a
// string or knows a default.
//
// # What is guaranteed
//
// The file is closed: a key that the schema doesn't have is an error, and so is one that is given twice. Every problem is
// reported, not just the first: the error is an [*Error] with one [Problem] per line, in the order of the file, each with its
// position and path; what is wrong with a source's secrets, settings and scheme is said beside everything else, as far as it can be known, and
// what is wrong with a pack with the position in its own file. What only follows from another problem is left out. Load reads the environment and the files that the configuration names, and changes nothing.
//
// A secret never stands in the file itself, only a reference to an environment variable or to a file. No error, log line or
// printed Config contains a secret: [Secret] prints as [redacted], and a value that stands where a reference should is not
// repeated by the error that refuses it.
//
// # What can't be assumed
//
// That a port is free, a folder writable or a cluster reachable: only starting the bridge tells. That the files are still the
// same later: [Watch] tells when they are not. A secret that a provider's pack would refuse passes unless there is an Options.Catalogue, or
// Options.CheckSource asks the pack.
package config
