package fault_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/server/fault"
)

// Of a flood twenty lines are written, then five a second, and each says how many were left out before it.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := fault.NewLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))
		lines := func(n int, level slog.Level, more ...slog.Attr) []string {
			out.Reset()
			for range n {
				l.Write(t.Context(), level, fault.Refused{
					Source: "github", Status: 401, Reason: "SIGNATURE_MISMATCH", Peer: "192.0.2.1", RequestID: "r-1", Text: "it doesn't match",
				}, more...)
			}
			return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		}
		const all = `msg="delivery refused" source=github status=401 reason=SIGNATURE_MISMATCH peer=192.0.2.1 request_id=r-1 error="it doesn't match"`
		if got := lines(100, slog.LevelWarn); len(got) != 20 || got[0] != "level=WARN "+all || got[19] != got[0] {
			t.Errorf("%d lines of a hundred: %q", len(got), got)
		}
		if got := lines(10, slog.LevelWarn); len(got) != 1 || got[0] != "" {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(400 * time.Millisecond)
		got := lines(10, slog.LevelError, slog.Int("alike", 3))
		if want := "level=ERROR " + all + " alike=3"; len(got) != 2 || got[0] != want+" not_logged_before=90" || got[1] != want {
			t.Errorf("after a while: %q", got)
		}
		time.Sleep(200 * time.Millisecond)
		if got := lines(1, slog.LevelWarn); len(got) != 1 || got[0] != "level=WARN "+all+" not_logged_before=8" {
			t.Errorf("later: %q", got)
		}
	})
}
