package test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 60 * time.Second

// bridge is `hookbridge serve` on a folder of its own. It can be killed and started again.
type bridge struct {
	t                 *testing.T
	dir               string
	http, grpc, admin string
	cmd               *exec.Cmd
	exited            chan struct{}
}

func newBridge(t *testing.T) *bridge {
	b := &bridge{t: t, dir: t.TempDir(), grpc: "127.0.0.1:0"}
	b.start()
	t.Cleanup(b.kill)
	return b
}

func (b *bridge) config() string { return filepath.Join(b.dir, "hookbridge.yaml") }

// start returns when the bridge serves. From the second time on it has the gRPC address of the first, as subscribers expect.
func (b *bridge) start() {
	b.t.Helper()
	write(b.t, b.config(), fmt.Sprintf(`http: {listen: "127.0.0.1:0"}
grpc: {listen: %q}
admin: {listen: "127.0.0.1:0"}
journal: {dir: ./data, min_free: "0"}
sources:
  - {name: stripe, provider: stripe, secrets: ["file:./secret"]}
  - {name: github, provider: github, secrets: ["file:./secret"]}
`, b.grpc))
	write(b.t, filepath.Join(b.dir, "secret"), "a-secret-of-the-tests")
	b.cmd, b.exited = exec.Command("hookbridge", "serve", "--config", b.config()), make(chan struct{})
	b.cmd.Stderr = b.t.Output()
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	up := make(chan struct{})
	go func() {
		b.read(stdout, up)
		// It is killed; how it ends says nothing.
		_ = b.cmd.Wait()
		close(b.exited)
	}()
	select {
	case <-up:
	case <-b.exited:
		b.t.Fatal("serve ended")
	case <-time.After(patience):
		b.kill()
		b.t.Fatal("serve did not come up")
	}
}

// addresses finds a listener's address in what serve prints at the start; admin is the last.
var addresses = regexp.MustCompile(`^ +(webhooks|gRPC|admin) +(?:http://)?([0-9.:]+)`)

func (b *bridge) read(stdout io.Reader, up chan struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		m := addresses.FindStringSubmatch(lines.Text())
		switch {
		case m == nil:
		case m[1] == "webhooks":
			b.http = m[2]
		case m[1] == "gRPC":
			b.grpc = m[2]
		default:
			b.admin = m[2]
			close(up)
		}
	}
}

// kill is kill -9.
func (b *bridge) kill() {
	// It may have ended by itself.
	_ = b.cmd.Process.Kill()
	<-b.exited
}

// send posts the body as its provider would, signed.
func (b *bridge) send(d delivery) {
	b.t.Helper()
	args := []string{"send", "--config", b.config(), "--url", "http://" + b.http, "--id", d.id, d.source}
	if d.body == "" {
		args = append(args, d.typ)
	} else {
		path := filepath.Join(b.dir, d.id+".json")
		write(b.t, path, d.body)
		args = append(args, "--file", path, d.typ)
	}
	if out := b.run(args...); !strings.HasPrefix(out, "200 ") {
		b.t.Fatalf("hookbridge %v: %s", args, out)
	}
}

// run runs hookbridge, which must succeed, and returns what it printed.
func (b *bridge) run(args ...string) string {
	b.t.Helper()
	out, err := exec.CommandContext(b.t.Context(), "hookbridge", args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("hookbridge %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// awaitSettled waits until the subscription has settled so many events since the bridge started, none is outstanding, and that is
// on disk.
func (b *bridge) awaitSettled(subscription string, events int) {
	b.t.Helper()
	want := []string{
		fmt.Sprintf("hookbridge_subscription_acknowledged_total{subscription=%q} %d\n", subscription, events),
		fmt.Sprintf("hookbridge_subscription_outstanding_events{subscription=%q} 0\n", subscription),
	}
	timeout := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		metrics := b.metrics()
		if strings.Contains(metrics, want[0]) && strings.Contains(metrics, want[1]) {
			b.awaitStored()
			return
		}
		select {
		case <-again.C:
		case <-timeout:
			b.t.Fatalf("the metrics never said\n%s%s but\n%s", want[0], want[1],
				strings.Join(regexp.MustCompile(`(?m)^hookbridge_subscription.*$`).FindAllString(metrics, -1), "\n"))
		}
	}
}

// awaitStored waits until on disk is what the metrics say of subscriptions, which may be ahead: changes of subscriptions are stored in
// their order, and this makes one more.
func (b *bridge) awaitStored() {
	b.t.Helper()
	conn, err := grpc.NewClient(b.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	name := "barrier-" + strings.ToLower(rand.Text())
	stream, err := hookbridgev1.NewEventServiceClient(conn).Subscribe(ctx, &hookbridgev1.SubscribeRequest{Subscription: name})
	if err != nil {
		b.t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || !first.GetConfirmed().GetCreated() {
		b.t.Fatalf("subscribing as %s: %v, %v; want it to be confirmed and new", name, first, err)
	}
}

func (b *bridge) metrics() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.admin+"/metrics", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
