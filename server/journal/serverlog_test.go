package journal

import (
	"bytes"
	"log/slog"
	"testing"
)

// A journal that opens has nothing to say: a warning that comes at every start is one that nobody reads.
func TestOpeningIsSilent(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{Dir: t.TempDir(), MinFree: -1, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("it logged %s", log.String())
	}
}
