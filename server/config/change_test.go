package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/provider"
)

// TestForCatalogue: what a provider can't do with a source is reported with everything else, each secret where it stands.
func TestForCatalogue(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, want string }{
		{"secrets of the wrong form", `sources:
- {name: a, provider: standard_webhooks, secrets: [env:A, env:W, env:P]}
- {name: b, provider: gitlab, secrets: [env:A, env:P]}
- {name: c, provider: nobody, secrets: [env:A]}
- {name: d, provider: hmac, secrets: [env:A, file:d.secret]}
- {name: e, provider: hmac, secrets: [env:S]}
`, `2:52: sources[0] "a": secrets[0]: unfit secret: want "whpk_" and base64; nor is it the signature's: unfit secret: want "whsec_" (or nothing) and base64, not beginning with "whpk_", not beginning with "whsk_"
2:66: sources[0] "a": secrets[2]: unfit secret: want an Ed25519 public key, as "whpk_" and base64; nor is it the signature's: unfit secret: want "whsec_" (or nothing) and base64, not beginning with "whpk_", not beginning with "whsk_"
4:23: sources[2] "c": provider: there is no provider "nobody"
5:46: sources[3] "d": secrets[1]: file DIR/d.secret can't be read: no such file or directory
6:39: sources[4] "e": secrets[0]: unfit secret: there is white space around it`},
		{"a body that never has room", `http: {max_in_flight: 1MiB}
sources:
- {name: a, provider: github, secrets: [env:A]}
- {name: b, provider: github, secrets: [env:A], max_body: 1MiB}
- {name: c, provider: hmac, secrets: [env:A]}
`, `3:3: sources[0] "a": GitHub sends bodies of up to 25MiB, and http.max_in_flight is 1MiB; raise it, or set max_body`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, map[string]string{"hookbridge.yaml": c.file})
			options := For(catalogue)
			options.LookupEnv = env("A", "hunter2!", "W", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "P", "whpk_AAAA", "S", "hunter2 ")
			_, err := Load(path, options)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(c.want, strings.ReplaceAll(strings.ReplaceAll(err.Error(), path+":", ""), filepath.Dir(path), "DIR")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

// TestFilesOfAnError: a configuration that is wrong says which files could put it right.
func TestFilesOfAnError(t *testing.T) {
	path := write(t, map[string]string{
		"hookbridge.yaml": "sources: [{name: a, provider: hmac, secrets: [file:missing, file:there]}]\n", "there": "x",
	})
	_, err := Load(path, Options{})
	got, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("want an *Error, got %v", err)
	}
	dir := filepath.Dir(path)
	if diff := cmp.Diff([]string{path, filepath.Join(dir, "missing"), filepath.Join(dir, "there")}, got.Files); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExampleIsServed: the example of the documentation is a configuration that the built-in providers take.
func TestExampleIsServed(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	options := For(catalogue)
	options.LookupEnv = exampleOptions().LookupEnv
	path := write(t, map[string]string{"hookbridge.yaml": example, "stripe.secret": "whsec_1\n"})
	config, err := Load(path, options)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []struct {
		name    string
		enforce bool
		body    int64
	}{{"github", false, 25 << 20}, {"stripe-eu", false, 1 << 20}, {"orders", true, 1 << 20}} {
		source, err := config.Open(config.Sources[n], catalogue)
		if err != nil {
			t.Fatal(err)
		}
		if source.Name() != want.name || source.MaxBody() != want.body || config.Sources[n].Enforce != want.enforce {
			t.Errorf("got %s, %d", source.Name(), source.MaxBody())
		}
	}
}

func TestDemo(t *testing.T) {
	got, err := Demo()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		HTTP:  HTTP{Listen: "127.0.0.1:8080", MaxInFlight: 256 << 20, ReadTimeout: 30 * time.Second},
		GRPC:  Listener{Listen: "127.0.0.1:9090"},
		Admin: Listener{Listen: "127.0.0.1:8081"},
		Journal: Journal{
			Dir: filepath.Join(dir, "data"), MaxAge: 168 * time.Hour, MaxBytes: 10 << 30, HoldBytes: 5 << 30,
			DedupeWindow: 24 * time.Hour, MinFree: 512 << 20, DeadLetterBytes: 1 << 30,
		},
		Sources:         []Source{{Name: "demo", Provider: "hmac", Secrets: []Secret{NewSecret("my_shared_secret")}, DigestWindow: 5 * time.Minute}},
		ShutdownTimeout: 20 * time.Second,
		Rejections:      Rejections{MaxBytes: 16 << 20, MaxAge: 168 * time.Hour},
	}
	if diff := cmp.Diff(want, got, equateSecrets); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNeedsRestart(t *testing.T) {
	old, err := Demo()
	if err != nil {
		t.Fatal(err)
	}
	same, err := Demo()
	if err != nil {
		t.Fatal(err)
	}
	same.Sources, same.Subscriptions = nil, []SubscriptionPolicy{{Name: "x"}}
	if got := old.NeedsRestart(same); got != nil {
		t.Errorf("want nothing, got %v", got)
	}
	other := *old
	other.HTTP.ReadTimeout++
	other.GRPC.Insecure = true
	other.Admin.Listen = ":1"
	other.Journal.NATS = &NATS{}
	other.Log.Level++
	other.ShutdownTimeout++
	other.Rejections.Bodies = true
	if diff := cmp.Diff([]string{"http", "grpc", "admin", "journal", "rejections", "log", "shutdown_timeout"}, old.NeedsRestart(&other)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
