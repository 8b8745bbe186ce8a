// Package ownschema_test runs the example as its README tells it, with the real programs.
package ownschema_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience is how long a program may run; the slowest step compiles the generator.
const patience = 5 * time.Minute

// workshop is a copy of the example in a folder of its own, with the programs beside it.
type workshop struct {
	t   *testing.T
	dir string
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{t: t, dir: t.TempDir()}
	for _, name := range []string{"buf.yaml", "buf.gen.yaml", "hookbridge.yaml", "order.json", "proto/acme/orders/v1/orders.proto"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "hookbridge.yaml" {
			content = append(content, "http: {listen: \"127.0.0.1:0\"}\ngrpc: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n"...)
		}
		w.write(name, string(content))
	}
	w.must("go", "build", "-o", w.dir, "github.com/hookbridge/hookbridge/cmd/hookbridge", "./subscriber")
	return w
}

func (w *workshop) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "ORDERS_SECRET=a secret of the test")
	return cmd
}

// must runs a command to its end, in this package's folder, so that the go command knows the module.
func (w *workshop) must(name string, args ...string) string {
	w.t.Helper()
	out, err := w.command(name, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// start runs a program until the test ends, and returns its lines.
func (w *workshop) start(name string, args ...string) *bufio.Reader {
	w.t.Helper()
	cmd := w.command(filepath.Join(w.dir, name), args...)
	cmd.Stderr = w.t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		// How it ends is another test's.
		_ = cmd.Wait()
	})
	return bufio.NewReader(out)
}

// line waits for a line that matches, and returns its groups.
func (w *workshop) line(from *bufio.Reader, pattern string) []string {
	w.t.Helper()
	for {
		text, err := from.ReadString('\n')
		if err != nil {
			w.t.Fatalf("the program ended before it said %q: %v", pattern, err)
		}
		if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
			return found
		}
	}
}

// From a .proto to a subscriber with typed orders, without a schema registry and without building the bridge anew.
func TestFromProtoToSubscriber(t *testing.T) {
	w := newWorkshop(t)
	hookbridge, config := filepath.Join(w.dir, "hookbridge"), filepath.Join(w.dir, "hookbridge.yaml")
	w.must(hookbridge, "schema", "export", "--imports", filepath.Join(w.dir, "third_party"))
	w.must("go", "tool", "buf", "build", w.dir, "-o", filepath.Join(w.dir, "acme.binpb"))
	w.must("go", "tool", "buf", "lint", w.dir)

	generated := filepath.Join("gen", "acme", "orders", "v1", "orders.pb.go")
	w.must("go", "tool", "buf", "generate", filepath.Join(w.dir, "proto"), "-o", w.dir)
	want, err := os.ReadFile(filepath.Join(w.dir, generated))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(generated); err != nil || string(got) != string(want) {
		t.Errorf("%s is not what buf generates, %v: follow the README to `buf generate proto`\n%s", generated, err, cmp.Diff(string(want), string(got)))
	}
	if got := w.must(hookbridge, "schema", "list", "--config", config, "--provider", "hmac"); !strings.Contains(got, "acme.orders.v1.OrderPlaced") {
		t.Errorf("schema list: %s", got)
	}

	bridge := w.start("hookbridge", "serve", "--config", config)
	http := w.line(bridge, `webhooks +(http://[0-9.:]+)`)[1]
	grpc := w.line(bridge, `gRPC +([0-9.:]+)`)[1]
	subscriber := w.start("subscriber", "--server", grpc)
	w.must(hookbridge, "send", "--config", config, "--url", http, "--id", "first", "--file", filepath.Join(w.dir, "order.json"), "orders")
	if got := w.line(subscriber, "(?s)^first.*")[0]; got != "first: order o-1001 of 2 items, 44.98 in all\n" {
		t.Errorf("the subscriber printed %q", got)
	}

	w.write("cancelled.json", `{"event":"order.cancelled.fraud","order_id":"o-1001"}`)
	w.must(hookbridge, "send", "--config", config, "--url", http, "--id", "second", "--file", filepath.Join(w.dir, "cancelled.json"), "orders")
	if got := w.line(subscriber, "(?s)^second.*")[0]; got != "second: order o-1001 cancelled (order.cancelled.fraud)\n" {
		t.Errorf("the subscriber printed %q", got)
	}

	w.write("wrong.json", `{"event":"order.placed","order_id":"","placed_at":"yesterday","items":[]}`)
	out, err := w.command(hookbridge, "send", "--config", config, "--url", http, "--file", filepath.Join(w.dir, "wrong.json"), "orders").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "422 ") || !strings.Contains(string(out), "placed_at") {
		t.Errorf("an order that doesn't fit: %v\n%s", err, out)
	}

	tail := w.start("hookbridge", "tail", "--server", grpc, "--from", "beginning", "--json")
	if got := w.line(tail, `"data":(\{.*?\}),"decoding"`)[1]; !strings.HasPrefix(got, `{"@type":"type.googleapis.com/acme.orders.v1.OrderPlaced","order_id":"o-1001"`) {
		t.Errorf("tail shows %s", got)
	}
}
