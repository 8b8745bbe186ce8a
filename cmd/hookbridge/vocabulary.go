package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/schema"
)

const (
	// askTimeout is how long a bridge may take to describe its schema, and maxSchema how large that may be.
	askTimeout = 10 * time.Second
	maxSchema  = 64 << 20
)

// schemaFlags say whose schema is looked at.
type schemaFlags struct {
	config string
	bridge connection
}

// vocabulary is the schema of a bridge, or of this build and a configuration.
type vocabulary struct {
	types  []*hookbridgev1.EventType
	files  *descriptorpb.FileDescriptorSet
	linked *protoregistry.Files
}

func (f *schemaFlags) vocabulary(ctx context.Context) (*vocabulary, error) {
	if f.bridge.server != "" && f.config != "" {
		return nil, usageError{errors.New("schema wants at most one of --config FILE and --server ADDR")}
	}
	v, err := f.ask(ctx)
	if err != nil {
		return nil, err
	}
	if v.linked, err = protodesc.NewFiles(v.files); err != nil {
		return nil, fmt.Errorf("the bridge's schema: %w", err)
	}
	return v, nil
}

func (f *schemaFlags) ask(ctx context.Context) (*vocabulary, error) {
	if f.bridge.server == "" {
		return localVocabulary(ctx, f.config)
	}
	c, err := f.bridge.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	types, err := c.Schemas().ListEventTypes(ctx, &hookbridgev1.ListEventTypesRequest{})
	if err != nil {
		return nil, fmt.Errorf("the bridge at %s: %s", f.bridge.server, f.bridge.words(err))
	}
	set, err := c.Schemas().GetDescriptorSet(ctx, &hookbridgev1.GetDescriptorSetRequest{}, grpc.MaxCallRecvMsgSize(maxSchema))
	if err != nil {
		return nil, fmt.Errorf("the bridge at %s: %s", f.bridge.server, f.bridge.words(err))
	}
	return &vocabulary{types: types.GetEventTypes(), files: set.GetDescriptorSet()}, nil
}

// localVocabulary is what a bridge of this build and configuration would answer.
func localVocabulary(ctx context.Context, file string) (*vocabulary, error) {
	catalogue, err := provider.Builtin()
	if err != nil {
		return nil, err
	}
	var images []config.Schema
	if file != "" {
		cfg, err := load(file)
		if err != nil {
			return nil, err
		}
		images = cfg.Schemas
		if catalogue, err = cfg.Extend(catalogue); err != nil {
			return nil, err
		}
	}
	sets, err := server.SchemaSets(images, catalogue)
	if err != nil {
		return nil, err
	}
	live, err := schema.NewLive(schema.Config{Sets: sets})
	if err != nil {
		return nil, err
	}
	service := schema.NewService(live)
	types, err := service.ListEventTypes(ctx, &hookbridgev1.ListEventTypesRequest{})
	if err != nil {
		return nil, err
	}
	set, err := service.GetDescriptorSet(ctx, &hookbridgev1.GetDescriptorSetRequest{})
	if err != nil {
		return nil, err
	}
	return &vocabulary{types: types.GetEventTypes(), files: set.GetDescriptorSet()}, nil
}

// find returns the message of an event type, or what has a full name.
func (v *vocabulary) find(key, name string) (protoreflect.Descriptor, *hookbridgev1.EventType, error) {
	if found, err := v.linked.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
		i := slices.IndexFunc(v.types, func(t *hookbridgev1.EventType) bool { return t.GetMessage() == name })
		if i < 0 {
			return found, nil, nil
		}
		return found, v.types[i], nil
	}
	best := map[string]*hookbridgev1.EventType{}
	for _, t := range v.types {
		n := claims(t.GetTypes(), name)
		if known := best[t.GetProvider()]; n > 0 && (key == "" || key == t.GetProvider()) && (known == nil || n > claims(known.GetTypes(), name)) {
			best[t.GetProvider()] = t
		}
	}
	switch len(best) {
	case 0:
		return nil, nil, fmt.Errorf("no message stands for the type %q; hookbridge schema list has those that do", name)
	case 1:
	default:
		var keys []string
		for _, t := range v.types {
			if best[t.GetProvider()] == t {
				keys = append(keys, t.GetProvider())
			}
		}
		return nil, nil, fmt.Errorf("the type %q is one of %s; choose with --provider", name, strings.Join(keys, " and of "))
	}
	for _, t := range best {
		found, err := v.linked.FindDescriptorByName(protoreflect.FullName(t.GetMessage()))
		return found, t, err
	}
	return nil, nil, nil
}

// claims says how exactly elements name a type: 0 for not at all, more for a longer pattern, most for the type itself.
func claims(elements []string, typ string) int {
	best := 0
	for _, element := range elements {
		prefix, pattern := strings.CutSuffix(element, "*")
		switch {
		case element == typ:
			return len(typ) + 2
		case pattern && strings.HasPrefix(typ, prefix):
			best = max(best, len(prefix)+1)
		}
	}
	return best
}
