package journal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journaltest"
	"github.com/hookbridge/hookbridge/server/journal/natstest"
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
	url := natstest.Start(t)
	cases := 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		// Streams of its own for each case.
		cases++
		return open(t, journal.Config{NATS: &journal.NATSConfig{URL: url, Prefix: fmt.Sprintf("case%d", cases), Replicas: 1}})
	})
}

// A cluster with NATS's own max_payload takes less than providers send. That is no fault of theirs: they must come again, until somebody raises it.
func TestWhatAClusterIsTooSmallForIsUnavailable(t *testing.T) {
	peer, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 1 << 20, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	peer.Start()
	t.Cleanup(func() { peer.Shutdown(); peer.WaitForShutdown() })
	if !peer.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server doesn't listen")
	}
	j := open(t, journal.Config{NATS: &journal.NATSConfig{URL: peer.ClientURL(), Replicas: 1}})
	e := &journal.Entry{Source: "demo", ID: "1", Type: "thing.done", DedupeWindow: -1, Event: make([]byte, 2<<20)}
	if _, err := j.Append(t.Context(), e); !errors.Is(err, journal.ErrUnavailable) || errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	e.Event = e.Event[:1<<19]
	if _, err := j.Append(t.Context(), e); err != nil {
		t.Errorf("a smaller one: %v", err)
	}
}
