package journal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

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
