package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/requestid"
	"github.com/hookbridge/hookbridge/server/schema"
)

// SchemaSets are the sets of a bridge with these images: what is built in first, so that it wins over the copies in images.
func SchemaSets(images []config.Schema, catalogue *provider.Catalogue) ([]schema.Set, error) {
	sets := []schema.Set{schema.Builtin()}
	var errs []error
	for _, image := range images {
		set, err := schema.Image(image.Name, image.Image)
		if err == nil {
			err = unknownProviders(set, catalogue)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sets = append(sets, set)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	return sets, nil
}

// unknownProviders refuses events of providers that no source can have: they would wait for ever.
func unknownProviders(set schema.Set, catalogue *provider.Catalogue) error {
	var errs []error
	known, providers := catalogue.Keys(), set.Providers()
	for _, key := range slices.Sorted(maps.Keys(providers)) {
		if key != "" && !slices.Contains(known, key) {
			for _, message := range providers[key] {
				errs = append(errs, fmt.Errorf("%s: %s: option (hookbridge.v1.event): there is no provider %q; hookbridge providers lists them",
					set.Name(), message, key))
			}
		}
	}
	return errors.Join(errs...)
}

// CheckSchemas says what is wrong with the images of a configuration, as New would: one error for each, nil for those that are
// right. It is for config.Options.
func CheckSchemas(catalogue *provider.Catalogue, images []config.Schema) []error {
	errs := make([]error, len(images))
	sets := []schema.Set{schema.Builtin()}
	for i, image := range images {
		set, err := schema.Image(image.Name, image.Image)
		if err == nil {
			err = unknownProviders(set, catalogue)
		}
		errs[i] = err
		sets = append(sets, set)
	}
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs
	}
	_, err := schema.New(schema.Config{Sets: sets})
	for _, problem := range problemsOf(err) {
		at := slices.IndexFunc(images, func(s config.Schema) bool { return s.Name == problem.Set })
		errs[max(at, 0)] = errors.Join(errs[max(at, 0)], problem)
	}
	return errs
}

// problemsOf takes the error of schema.New apart.
func problemsOf(err error) []*schema.SetError {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*schema.SetError
		for _, each := range several.Unwrap() {
			all = append(all, problemsOf(each)...)
		}
		return all
	}
	if problem, ok := errors.AsType[*schema.SetError](err); ok {
		return []*schema.SetError{problem}
	}
	return nil
}

// imageHandler answers with the schema as an image that buf and protoc plugins' tools read.
func imageHandler(live *schema.Live) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set, err := live.Registry().DescriptorSet()
		if err != nil {
			fault.WriteHTTP(w, err, requestid.From(r.Context()), 0)
			return
		}
		h := w.Header()
		h.Set("ETag", strconv.Quote(set.ETag))
		// It may change with any reload; asking is cheap.
		h.Set("Cache-Control", "no-cache")
		if matches(r.Header.Values("If-None-Match"), set.ETag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.Itoa(len(set.Encoded)))
		h.Set("X-Content-Type-Options", "nosniff")
		// The caller may be gone; there is nobody to tell.
		_, _ = w.Write(set.Encoded)
	})
}

// matches says whether If-None-Match has the tag (RFC 9110, 13.1.2: a weak comparison).
func matches(headers []string, tag string) bool {
	for _, header := range headers {
		for each := range strings.SplitSeq(header, ",") {
			each = strings.TrimSpace(each)
			if each == "*" || strings.TrimPrefix(each, "W/") == strconv.Quote(tag) {
				return true
			}
		}
	}
	return false
}

// registerReflection serves the descriptors of the schema in force, the user's own among them, in both versions of the protocol that
// clients speak.
func registerReflection(s *grpc.Server, live *schema.Live) {
	options := reflection.ServerOptions{Services: s, DescriptorResolver: live.Resolver(), ExtensionResolver: live.Resolver()}
	reflectionpb.RegisterServerReflectionServer(s, reflection.NewServerV1(options))
	reflectionalphapb.RegisterServerReflectionServer(s, reflection.NewServer(options))
}
