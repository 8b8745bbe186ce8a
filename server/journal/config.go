package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where and how a journal is kept. The zero value of every field but Dir is a good one.
type Config struct {
	// Dir is the journal's folder; it is made if need be, and belongs to one process at a time. With NATS only the index of ids
	// is in it.
	Dir string
	// MaxAge is how long events stay. 0 means 168 h; at least 1 s.
	MaxAge time.Duration
	// MaxBytes is how large the stored events may get. 0 means 10 GiB; at least 64 KiB.
	MaxBytes int64
	// DeadLetterBytes is how large the stored dead letters may get. Then no more are taken: the event that one is a copy of goes
	// on waiting. 0 means 1 GiB; at least 64 KiB. It comes on top of MaxBytes.
	DeadLetterBytes int64
	// DeadLetterMaxAge is how long dead letters stay. 0 means until they are removed; else at least 1 s.
	DeadLetterMaxAge time.Duration
	// RejectionBytes is how large the log of refused deliveries may get; then the oldest go. 0 means 16 MiB; at least 64 KiB. It comes
	// on top of MaxBytes.
	RejectionBytes int64
	// RejectionMaxAge is how long refused deliveries stay. 0 means 168 h; at least 1 s.
	RejectionMaxAge time.Duration
	// HoldBytes is how much Holds.Bounded may hold back when MaxBytes is reached. 0 means half of MaxBytes.
	HoldBytes int64
	// DedupeWindow is for how long an id counts where the entry leaves it to the journal. 0 means 24 h, or MaxAge if that is
	// less; at most MaxAge.
	DedupeWindow time.Duration
	// MinFree is how much space the disk must keep free; appends are refused below. 0 means 512 MiB, negative no such limit.
	MinFree int64
	// PublishTimeout is how long a commit may take before the store counts as failed and is opened anew. 0 means 5 s.
	PublishTimeout time.Duration
	// MaxQueued bounds the bytes of entries that wait for their commit; Append waits when it is reached. 0 means 128 MiB; at
	// least the largest record is always taken.
	MaxQueued int64

	// NATS is an external cluster to store events in, instead of the server inside the process.
	NATS *NATSConfig

	// Logger takes what the journal and the server inside have to say. nil means nothing is logged.
	Logger *slog.Logger
	// Registerer takes the metrics, named hookbridge_journal_*. nil means none are kept.
	Registerer prometheus.Registerer
	// Now is the clock that entries are stamped with and windows are measured by. nil means time.Now. MaxAge goes by the
	// server's own clock.
	Now func() time.Time

	// disk, free and probe are replaced in tests.
	disk  disk
	free  func(path string) (int64, error)
	probe func(path string) error
	// housekeeping is how often retention and free space are looked at.
	housekeeping time.Duration
	// follow is how often an external stream is asked for other bridges' events.
	follow time.Duration
	// ringRetry is how soon the log of refused deliveries is tried again that could not be opened; later less often.
	ringRetry time.Duration
}

// NATSConfig is an external NATS cluster with JetStream.
type NATSConfig struct {
	// URL is the servers, comma-separated. Required.
	URL string
	// CredentialsFile is a file with a user's credentials, empty for none.
	CredentialsFile string
	// Prefix begins the names of streams and subjects. Empty means hookbridge.
	Prefix string
	// Replicas is how many copies new streams keep. 0 means 3. Streams that exist keep theirs.
	Replicas int
}

const (
	defaultMaxAge          = 168 * time.Hour
	defaultMaxBytes        = 10 << 30
	defaultDeadLetterBytes = 1 << 30
	defaultRejectionBytes  = 16 << 20
	defaultRejectionMaxAge = 168 * time.Hour
	defaultDedupeWindow    = 24 * time.Hour
	defaultMinFree         = 512 << 20
	defaultPublishTimeout  = 5 * time.Second
	defaultMaxQueued       = 128 << 20
	defaultPrefix          = "hookbridge"
	defaultReplicas        = 3

	minMaxBytes = 64 << 10
)

// withDefaults returns the configuration with everything set, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		wrong("dir: want a folder")
	}
	orDefault(&c.MaxAge, defaultMaxAge)
	if c.MaxAge < time.Second {
		wrong("max_age: want at least 1s, got %v", c.MaxAge)
	}
	orDefault(&c.MaxBytes, defaultMaxBytes)
	if c.MaxBytes < minMaxBytes {
		wrong("max_bytes: want at least %d, got %d", minMaxBytes, c.MaxBytes)
	}
	orDefault(&c.DeadLetterBytes, defaultDeadLetterBytes)
	if c.DeadLetterBytes < minMaxBytes {
		wrong("dead_letter_bytes: want at least %d, got %d", minMaxBytes, c.DeadLetterBytes)
	}
	if c.DeadLetterMaxAge != 0 && c.DeadLetterMaxAge < time.Second {
		wrong("dead_letter_max_age: want 0 or at least 1s, got %v", c.DeadLetterMaxAge)
	}
	orDefault(&c.RejectionBytes, defaultRejectionBytes)
	if c.RejectionBytes < minMaxBytes {
		wrong("rejection_bytes: want at least %d, got %d", minMaxBytes, c.RejectionBytes)
	}
	orDefault(&c.RejectionMaxAge, defaultRejectionMaxAge)
	if c.RejectionMaxAge < time.Second {
		wrong("rejection_max_age: want at least 1s, got %v", c.RejectionMaxAge)
	}
	orDefault(&c.HoldBytes, c.MaxBytes/2)
	if c.HoldBytes < 0 || c.HoldBytes > c.MaxBytes {
		wrong("hold_bytes: want at most max_bytes, %d, got %d", c.MaxBytes, c.HoldBytes)
	}
	orDefault(&c.DedupeWindow, min(defaultDedupeWindow, c.MaxAge))
	if c.DedupeWindow < 0 || c.DedupeWindow > c.MaxAge {
		wrong("dedupe_window: want at most max_age, %v, got %v", c.MaxAge, c.DedupeWindow)
	}
	orDefault(&c.MinFree, defaultMinFree)
	orDefault(&c.PublishTimeout, defaultPublishTimeout)
	if c.PublishTimeout < 0 {
		wrong("publish_timeout: want more than 0, got %v", c.PublishTimeout)
	}
	orDefault(&c.MaxQueued, defaultMaxQueued)
	c.MaxQueued = max(c.MaxQueued, MaxRecord)
	if c.NATS != nil {
		n := *c.NATS
		if n.URL == "" {
			wrong("nats.url: want at least one server")
		}
		orDefault(&n.Prefix, defaultPrefix)
		if !validPrefix(n.Prefix) {
			wrong("nats.prefix: want letters, digits, - and _, got %q", n.Prefix)
		}
		orDefault(&n.Replicas, defaultReplicas)
		if n.Replicas < 1 || n.Replicas > 5 {
			wrong("nats.replicas: want 1 to 5, got %d", n.Replicas)
		}
		c.NATS = &n
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.disk == nil {
		c.disk = osDisk{}
	}
	if c.free == nil {
		c.free = freeSpace
	}
	if c.probe == nil {
		c.probe = tryWriting
	}
	orDefault(&c.housekeeping, time.Second)
	orDefault(&c.follow, 250*time.Millisecond)
	orDefault(&c.ringRetry, time.Second)
	if err := errors.Join(errs...); err != nil {
		return Config{}, fmt.Errorf("journal: %w", err)
	}
	return c, nil
}

func orDefault[T comparable](v *T, d T) {
	if *v == *new(T) {
		*v = d
	}
}

func validPrefix(s string) bool { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(s) }
