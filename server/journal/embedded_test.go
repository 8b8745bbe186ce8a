package journal

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// A process that gets no processor for a while has no failed store: it would be opened anew, and refuse everything meanwhile.
func TestOnlyTheStoreMakesAStoreFail(t *testing.T) {
	late := server.HealthzError{Type: server.HealthzErrorConn, Error: "failed to be ready for connections after 1ms: startup did not complete"}
	write := server.HealthzError{Type: server.HealthzErrorStream, Stream: "s", Error: "JetStream stream '$G > s' write error: no space left on device"}
	for name, tc := range map[string]struct {
		errors []server.HealthzError
		want   string
	}{
		"well":        {nil, ""},
		"late":        {[]server.HealthzError{late}, ""},
		"write error": {[]server.HealthzError{write}, write.Error},
		"both":        {[]server.HealthzError{late, write}, write.Error},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(storeTrouble(&server.HealthStatus{Status: "error", Errors: tc.errors})); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// What the server itself says of a stream that it doesn't have arrives.
func TestHealthOfAStreamThatIsNotThere(t *testing.T) {
	e, err := startEmbedded(t.TempDir(), &serverLog{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.stop()
	const want = `JetStream account "$G" not found`
	if got := text(e.health("none")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
