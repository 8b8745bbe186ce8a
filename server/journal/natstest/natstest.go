// Package natstest runs a NATS server in a process of its own, for tests of what a cluster is used for.
package natstest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout is how long the server may take until it listens.
const startTimeout = 20 * time.Second

// Start builds the nats-server of go.mod's version, runs it with an empty store that syncs always, and returns its URL. It is killed
// when the test ends.
func Start(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	config := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "max_payload: 64MB\nmax_pending: 256MB\njetstream {store_dir: %q, sync_interval: always}\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", config, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir)
	var log output
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	// The server logs the port that it chose.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); <-look.C {
		text := log.String()
		if _, rest, ok := strings.Cut(text, "Listening for client connections on "); ok && strings.Contains(text, "Server is ready") {
			address, _, _ := strings.Cut(rest, "\n")
			if _, _, err := net.SplitHostPort(address); err == nil {
				return "nats://" + address
			}
		}
	}
	t.Fatalf("nats-server did not start\n%s", log.String())
	return ""
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
