package journal_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journaltest"
)

// TestMain fails when a journal that was closed left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg journal.Config) journal.Journal {
	t.Helper()
	// A server reserves what its streams may take.
	cfg.Dir, cfg.MinFree, cfg.MaxBytes, cfg.DeadLetterBytes = t.TempDir(), -1, 256<<20, 64<<20
	j, err := journal.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := j.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestEmbeddedJournal(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journal.Journal { return open(t, journal.Config{}) })
}

// The same on a NATS server in a process of its own, which is the code path of a cluster.
func TestExternalJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("building nats-server takes a while")
	}
	url := natsServer(t)
	cases := 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		// Streams of its own for each case.
		cases++
		return open(t, journal.Config{NATS: &journal.NATSConfig{URL: url, Prefix: fmt.Sprintf("case%d", cases), Replicas: 1}})
	})
}

// natsServer runs the nats-server of go.mod's version and returns its URL.
func natsServer(t *testing.T) string {
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
	var log strings.Builder
	var mu sync.Mutex
	cmd.Stderr = writer(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return log.Write(p) })
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
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-look.C {
		mu.Lock()
		text := log.String()
		mu.Unlock()
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

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
