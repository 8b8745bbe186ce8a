package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"buf.build/go/protoyaml"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
	"github.com/hookbridge/hookbridge/server/document"
	"github.com/hookbridge/hookbridge/server/provider"
)

// maxFile bounds what Load reads; the largest configuration that makes sense is far below it.
const maxFile = 4 << 20

// Options are what Load needs to know about its surroundings.
type Options struct {
	// Providers are the keys of the provider catalogue. A source with another provider is an error. Empty: any is taken.
	Providers []string
	// Catalogue has the built-in providers, to which the configuration's own are added. Nil: these are read and not looked into, and no
	// setting is secret.
	Catalogue *provider.Catalogue
	// CheckSource is asked about each source that is right by itself, once the rest of the configuration is known: whether the
	// provider can do with such secrets, whether it needs http.public_url. Its error is reported with the source; it must not
	// contain a secret. Nil: with a Catalogue, whatever its provider has against the source, as far as it can be known beside what else is wrong;
	// else nothing more is checked.
	CheckSource func(*Config, Source) error
	// CheckSchemas is asked about the images that could be read, with all the providers that there are: one error for each, in their
	// order, nil for those that are right. A joined error is reported problem by problem. Nil: nothing more is checked.
	CheckSchemas func(*provider.Catalogue, []Schema) []error
	// LookupEnv reads the environment. Nil: os.LookupEnv.
	LookupEnv func(name string) (string, bool)
}

// Load reads the configuration at path. What is wrong with its content is an *Error; a file that can't be read is any other.
func Load(path string, o Options) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := os.Open(absolute)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer func() { _ = file.Close() }()
	data, err := readBounded(file, path, maxFile, "configuration")
	if err != nil {
		return nil, err
	}
	config, err := parse(data, path, absolute, o)
	if problems, ok := errors.AsType[*Error](err); ok {
		problems.Files = append([]string{absolute}, problems.Files...)
	}
	return config, err
}

// parse reads a configuration. The path is what messages say; file is absolute, and its folder is what relative paths are
// relative to.
func parse(data []byte, path, file string, o Options) (*Config, error) {
	message := &configv1.Config{}
	d, ok := document.Parse(data, message.ProtoReflect().Descriptor(), sensitive)
	if !ok {
		return nil, refusal(path, d)
	}
	// Lines end in more ways for the YAML parser than for protoyaml, which then looks for the source of an error beyond the last
	// line, and panics. What the walk found wrong is reported without it.
	if len(d.Problems) > 0 && strings.ContainsAny(string(data), "\r\u0085\u2028\u2029") {
		return nil, refusal(path, d)
	}
	// What is unknown was reported by the walk. What protoyaml reports besides is left out, because its errors quote the
	// source line: what the walk found covers it.
	err := protoyaml.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, message)
	if err != nil && len(d.Problems) == 0 {
		d.Add("", "does not fit the schema of the configuration")
	}
	if err := d.Validate(message); err != nil {
		return nil, fmt.Errorf("rules of the configuration's schema: %w", err)
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	c := completion{Document: d, options: o, dir: filepath.Dir(file), read: map[string][]int{}}
	config := c.config(message)
	config.File = file
	c.checkSources(config, message.GetSources())
	c.checkSchemas(config)
	if len(d.Problems) > 0 {
		problems := refusal(path, d)
		problems.Files = c.files
		return nil, problems
	}
	return config, nil
}

// sensitive says whether a value at path may be or contain a secret.
func sensitive(path string) bool {
	return strings.Contains(path, ".secrets") || strings.Contains(path, ".settings.") || strings.Contains(path, ".tokens") || path == "journal.nats.url" || path == "http.public_url"
}
