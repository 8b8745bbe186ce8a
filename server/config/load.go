package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
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
	// contain a secret. Nil: with a Catalogue, whether it can be opened; else nothing more is checked.
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
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("file %s is larger than %s, which no configuration is", path, formatSize(maxFile))
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
	document, syntax := parseDocument(data)
	p := &problems{document: document}
	if syntax != nil {
		p.list = append(p.list, *syntax)
		return nil, p.err(path)
	}
	message := &configv1.Config{}
	if document.root != nil {
		p.walkMessage(document.root, message.ProtoReflect().Descriptor(), "")
	}
	// Lines end in more ways for the YAML parser than for protoyaml, which then looks for the source of an error beyond the last
	// line, and panics. What the walk found wrong is reported without it.
	if len(p.list) > 0 && strings.ContainsAny(string(data), "\r\u0085\u2028\u2029") {
		return nil, p.err(path)
	}
	// What is unknown was reported by the walk. What protoyaml reports besides is left out, because its errors quote the
	// source line: what the walk found covers it.
	err := protoyaml.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, message)
	if err != nil && len(p.list) == 0 {
		p.add("", "does not fit the schema of the configuration")
	}
	if err := p.validate(message); err != nil {
		return nil, err
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	c := completion{problems: p, options: o, dir: filepath.Dir(file)}
	config := c.config(message)
	config.File = file
	c.checkSources(config)
	c.checkSchemas(config)
	if len(p.list) > 0 {
		problems := p.err(path)
		problems.Files = c.files
		return nil, problems
	}
	return config, nil
}

// validate applies the rules of the schema. The error it returns is a defect of the rules, not of the configuration.
func (p *problems) validate(message *configv1.Config) error {
	err := protovalidate.Validate(message)
	if err == nil {
		return nil
	}
	violated, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return fmt.Errorf("rules of the configuration's schema: %w", err)
	}
	for _, violation := range violated.Violations {
		path := protovalidate.FieldPathString(violation.Proto.GetField())
		if p.at(path) {
			continue
		}
		p.add(path, "%s%s", violation.Proto.GetMessage(), p.document.butGot(path))
	}
	return nil
}

// butGot returns `, got "x"` for a single value, and nothing where there is no use in saying what was found.
func (d *document) butGot(path string) string {
	if got := d.got(path); strings.HasPrefix(got, `"`) || got == "nothing" {
		return ", got " + got
	}
	return ""
}
