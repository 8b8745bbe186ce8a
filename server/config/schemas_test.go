package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/provider"
)

const withSource = "sources: [{name: a, provider: hmac, secrets: [env:A]}]\n"

// Images are read relative to the file, are among the files that are watched, and need no restart.
func TestSchemas(t *testing.T) {
	path := write(t, map[string]string{"hookbridge.yaml": withSource + "schemas: [acme.binpb, ./other/../b.binpb]\n", "acme.binpb": "one", "b.binpb": "two"})
	o := Options{LookupEnv: env("A", "1")}
	got, err := Load(path, o)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := []Schema{
		{Name: "acme.binpb", File: filepath.Join(dir, "acme.binpb"), Image: []byte("one")},
		{Name: "./other/../b.binpb", File: filepath.Join(dir, "b.binpb"), Image: []byte("two")},
	}
	if diff := cmp.Diff(want, got.Schemas); diff != "" {
		t.Errorf("schemas (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{path, want[0].File, want[1].File}, got.Files()); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	if err := os.WriteFile(want[1].File, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := Load(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if keys := got.NeedsRestart(next); keys != nil || cmp.Equal(got.Schemas, next.Schemas) {
		t.Errorf("restart needed for %q; schemas %v", keys, next.Schemas)
	}
}

// What is wrong with an image is said where the image stands, and all at once; files that could put it right are to be watched.
func TestSchemaProblems(t *testing.T) {
	refuse := func(schemas []Schema) []error {
		errs := make([]error, len(schemas))
		errs[1] = errors.Join(fmt.Errorf("%s: first", schemas[1].Name), fmt.Errorf("%s: second", schemas[1].Name))
		return errs
	}
	for _, tc := range []struct {
		name, schemas string
		check         func([]Schema) []error
		want          []string
		files         []string
	}{
		{
			"unreadable", "[acme.binpb, none.binpb, .]", refuse,
			[]string{
				"2:23: schemas[1]: file DIR/none.binpb can't be read: no such file or directory",
				"2:35: schemas[2]: file DIR is not a regular file",
			},
			[]string{"hookbridge.yaml", "acme.binpb", "none.binpb", "."},
		},
		{
			"twice", "[acme.binpb, ./acme.binpb, '']", nil,
			[]string{`2:23: schemas[1]: "./acme.binpb" is schemas[0] already`, "2:37: schemas[2]: want the path of an image, as buf build -o writes it"},
			[]string{"hookbridge.yaml", "acme.binpb"},
		},
		{
			"empty", "[empty.binpb]", nil, []string{"2:11: schemas[0]: file DIR/empty.binpb is empty"},
			[]string{"hookbridge.yaml", "empty.binpb"},
		},
		{
			"refused", "[acme.binpb, b.binpb]", refuse,
			[]string{"2:23: schemas[1]: b.binpb: first", "2:23: schemas[1]: b.binpb: second"},
			[]string{"hookbridge.yaml", "acme.binpb", "b.binpb"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, map[string]string{"hookbridge.yaml": withSource + "schemas: " + tc.schemas, "acme.binpb": "1", "b.binpb": "2", "empty.binpb": ""})
			_, err := Load(path, Options{LookupEnv: env("A", "1"), CheckSchemas: func(_ *provider.Catalogue, images []Schema) []error {
				if tc.check == nil {
					return make([]error, len(images))
				}
				return tc.check(images)
			}})
			problems, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			got := strings.NewReplacer(path+":", "", filepath.Dir(path), "DIR").Replace(err.Error())
			if diff := cmp.Diff(strings.Join(tc.want, "\n"), got); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
			for i := range tc.files {
				tc.files[i] = filepath.Join(filepath.Dir(path), tc.files[i])
			}
			if diff := cmp.Diff(tc.files, problems.Files); diff != "" {
				t.Errorf("files (-want +got)\n%s", diff)
			}
		})
	}
}
