package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// stream is one of the streams: events, records, dead letters, rejections.
type stream struct {
	jetstream.Stream
	name string
	// root begins the subjects, with a dot at the end.
	root string
	// filler is the subject of messages that only take up a sequence.
	filler string
	// blocks is the folder of an embedded stream; nil with an external one, whose cluster answers when it has stored.
	blocks *blocks
}

// The stream's metadata carries the format too, because an external stream has no folder of ours.
const formatKey = "hookbridge-format"

// Duplicates by Nats-Msg-Id are only the cluster's to find, between bridges. Our index finds the rest.
const clusterDuplicates = 2 * time.Minute

func eventsConfig(cfg *Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        prefix(cfg) + "_events",
		Description: "events of the webhook bridge",
		Subjects:    []string{prefix(cfg) + ".events.>"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxAge:      cfg.MaxAge,
		// Retention keeps below max_bytes. This is the backstop: the stream refuses what would go past it.
		MaxBytes:          cfg.MaxBytes + cfg.MaxBytes/16,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Replicas:          replicas(cfg),
		Duplicates:        duplicates(cfg),
		AllowDirect:       true,
		Metadata:          map[string]string{formatKey: strconv.Itoa(format)},
	}
}

func recordsConfig(cfg *Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              prefix(cfg) + "_records",
		Description:       "subscriptions of the webhook bridge",
		Subjects:          []string{prefix(cfg) + ".records.>"},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxBytes:          -1,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Replicas:          replicas(cfg),
		Duplicates:        duplicates(cfg),
		AllowDirect:       true,
		Metadata:          map[string]string{formatKey: strconv.Itoa(format)},
	}
}

func deadLettersConfig(cfg *Config) jetstream.StreamConfig {
	window := duplicates(cfg)
	if cfg.DeadLetterMaxAge > 0 {
		window = min(window, cfg.DeadLetterMaxAge)
	}
	return jetstream.StreamConfig{
		Name:        prefix(cfg) + "_dead_letters",
		Description: "dead letters of the webhook bridge",
		Subjects:    []string{prefix(cfg) + ".dead_letters.>"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxAge:      cfg.DeadLetterMaxAge,
		// We refuse what would go past dead_letter_bytes. This is the backstop.
		MaxBytes:          cfg.DeadLetterBytes + cfg.DeadLetterBytes/16,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Replicas:          replicas(cfg),
		Duplicates:        window,
		AllowDirect:       true,
		Metadata:          map[string]string{formatKey: strconv.Itoa(format)},
	}
}

func rejectionsConfig(cfg *Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              prefix(cfg) + "_rejections",
		Description:       "deliveries that the webhook bridge refused",
		Subjects:          []string{prefix(cfg) + ".rejections.>"},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxAge:            cfg.RejectionMaxAge,
		MaxBytes:          cfg.RejectionBytes,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Replicas:          replicas(cfg),
		Duplicates:        min(duplicates(cfg), cfg.RejectionMaxAge),
		AllowDirect:       true,
		Metadata:          map[string]string{formatKey: strconv.Itoa(format)},
	}
}

func prefix(cfg *Config) string {
	if cfg.NATS == nil {
		return defaultPrefix
	}
	return cfg.NATS.Prefix
}

func replicas(cfg *Config) int {
	if cfg.NATS == nil {
		return 1
	}
	return cfg.NATS.Replicas
}

func duplicates(cfg *Config) time.Duration {
	if cfg.NATS == nil {
		// The least that the server takes. It costs nothing: no message of ours has an id then.
		return 100 * time.Millisecond
	}
	return min(clusterDuplicates, cfg.MaxAge)
}

// ensureStream returns the stream, making it or changing its limits as need be. What else an administrator set is left alone.
func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	st, err := findStream(ctx, js, want)
	if err != nil {
		return nil, err
	}
	return changeLimits(ctx, js, st, want)
}

// findStream returns the stream, making it if need be.
func findStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	st, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		st, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return st, checkStreamFormat(st.CachedInfo().Config)
}

// changeLimits gives a stream the limits that it should have.
func changeLimits(ctx context.Context, js jetstream.JetStream, st jetstream.Stream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	changed, differs := limited(st.CachedInfo().Config, want)
	if !differs {
		return st, nil
	}
	st, err := js.UpdateStream(ctx, changed)
	if err != nil {
		return nil, fmt.Errorf("stream %s: change limits: %w", want.Name, err)
	}
	return st, nil
}

// limited returns a configuration with the limits of another one, and whether that changes it.
func limited(have, want jetstream.StreamConfig) (changed jetstream.StreamConfig, differs bool) {
	changed = have
	changed.MaxAge, changed.MaxBytes, changed.Discard = want.MaxAge, want.MaxBytes, want.Discard
	changed.MaxMsgsPerSubject, changed.Duplicates, changed.AllowDirect = want.MaxMsgsPerSubject, want.Duplicates, true
	return changed, changed.MaxAge != have.MaxAge || changed.MaxBytes != have.MaxBytes || changed.Discard != have.Discard ||
		changed.MaxMsgsPerSubject != have.MaxMsgsPerSubject || changed.Duplicates != have.Duplicates || !have.AllowDirect
}
func checkStreamFormat(cfg jetstream.StreamConfig) error {
	v, ok := cfg.Metadata[formatKey]
	n, err := strconv.Atoi(v)
	if !ok || err != nil || n < 1 {
		return fmt.Errorf("stream %s was not made by this program: want %s in its metadata, got %q", cfg.Name, formatKey, v)
	}
	if n > format {
		return fmt.Errorf("stream %s has format %d; this version reads 1 to %d", cfg.Name, n, format)
	}
	return nil
}

// checkRecovered refuses a stream that has a folder which the server could not recover: making it anew would hide its events.
func checkRecovered(ctx context.Context, js jetstream.JetStream, folder, name string) error {
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	_, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s could not be recovered from %s: see the log; restore the folder, or move it away to begin anew",
			name, folder)
	}
	return err
}

// state is the part of a stream's info that counts.
type state struct {
	first, end int64 // as in Bounds, but of all that is stored
	events     int64
	bytes      int64
	created    time.Time
	replicas   int
}

func (s *stream) state(ctx context.Context) (state, error) {
	info, err := s.Info(ctx)
	if err != nil {
		return state{}, fmt.Errorf("stream %s: %w", s.name, err)
	}
	st := state{
		first: int64(info.State.FirstSeq), end: int64(info.State.LastSeq) + 1, events: int64(info.State.Msgs),
		bytes: int64(info.State.Bytes), created: info.Created, replicas: info.Config.Replicas,
	}
	if st.events == 0 {
		st.first = st.end
	}
	return st, nil
}

// remove removes one message, overwriting it if asked to, and says whether it was there.
func (s *stream) remove(ctx context.Context, c *session, sequence int64, overwrite bool) (bool, error) {
	del := s.DeleteMsg
	if overwrite {
		del = s.SecureDeleteMsg
	}
	err := del(ctx, uint64(sequence))
	if err == nil {
		return true, nil
	}
	// The server doesn't say in a way that can be told whether there was nothing to remove.
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		left, _, ferr := c.fetch(ctx, s, sequence, sequence+1, 1, 1, "")
		if ferr == nil && len(left) == 0 {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w: remove %d from %s: %w", ErrUnavailable, sequence, s.name, err)
}

// recordSize is what a message occupies in the file store.
func recordSize(subject string, header, payload int) int64 {
	const fixed, headerLength = 30, 4
	n := int64(fixed + len(subject) + payload)
	if header > 0 {
		n += headerLength + int64(header)
	}
	return n
}
