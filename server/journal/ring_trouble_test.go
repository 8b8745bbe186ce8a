package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// foreignRejections puts a stream that is not ours where the log of refusals would be.
func foreignRejections(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_ = js.DeleteStream(t.Context(), "hookbridge_rejections") // there may be none yet
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "hookbridge_rejections", Subjects: []string{"foreign.>"}}); err != nil {
		t.Fatal(err)
	}
}

// peer runs a server like an external one, and returns how to connect to it.
func peer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server doesn't listen")
	}
	return s.ClientURL()
}

// A log of refusals that can't be opened, at a start or when the store is opened anew, stops nothing: it answers ErrUnavailable and
// why, everything else goes on, and it is there again when the trouble is over.
func TestTroubleWithRejectionsStopsNothing(t *testing.T) {
	for _, cluster := range []bool{false, true} {
		name := "embedded"
		if cluster {
			name = "cluster"
		}
		t.Run(name, func(t *testing.T) {
			dir, change := t.TempDir(), func(c *Config) { c.ringRetry = 10 * time.Millisecond }
			if cluster {
				url := peer(t)
				nc, err := nats.Connect(url)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				foreignRejections(t, nc)
				change = func(c *Config) {
					c.ringRetry, c.NATS = 10*time.Millisecond, &NATSConfig{URL: url, Replicas: 1}
					c.MaxBytes, c.DeadLetterBytes = 256<<20, 64<<20
				}
			} else {
				s := openAt(t, dir, nil)
				foreignRejections(t, s.current.write)
				closeStore(t, s)
			}
			s := openAt(t, dir, change)
			unavailable(t, s)
			appendNoise(t, s, "1")

			js, err := jetstream.New(s.current.write)
			if err != nil {
				t.Fatal(err)
			}
			// Changed, not deleted: the server takes a stream off its list before it removes the folder, and one that the bridge makes in
			// between loses its folder and answers nobody.
			if _, err := js.UpdateStream(t.Context(), rejectionsConfig(&s.cfg)); err != nil {
				t.Fatal(err)
			}
			addOnce(t, s, "one")
			if got := ringOf(t, s); !slices.Equal(got, []string{"one"}) {
				t.Errorf("want one, got %q", got)
			}

			// The store is opened anew beside a running bridge.
			foreignRejections(t, s.current.write)
			before := s.current
			before.fail(errors.New("for a test"))
			within(t, "the store is open again", func() bool {
				c, err := s.readable()
				return err == nil && c != before
			})
			unavailable(t, s)
			appendNoise(t, s, "2")
			if _, err := s.Get(t.Context(), 2); err != nil {
				t.Errorf("the second event: %v", err)
			}
		})
	}
}

// unavailable says that the log of refusals must answer that it can't be opened.
func unavailable(t *testing.T, s *Store) {
	t.Helper()
	const why = "the log of refused deliveries can't be opened: stream hookbridge_rejections was not made by this program"
	_, adding := s.Rejections().Add(t.Context(), "github", []byte("lost"))
	_, reading := s.Rejections().Before(t.Context(), RingQuery{})
	for _, err := range []error{adding, reading} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), why) {
			t.Errorf("want ErrUnavailable with %q, got %v", why, err)
		}
	}
	if err := s.Status(); err != nil {
		t.Errorf("the journal's status: %v", err)
	}
}

// addOnce adds a refusal as soon as the log takes one.
func addOnce(t *testing.T, s *Store, payload string) {
	t.Helper()
	within(t, "the log of refusals is open", func() bool {
		_, err := s.Rejections().Add(t.Context(), "github", []byte(payload))
		return err == nil
	})
}

// within waits until something is so.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
