package journal

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// A busy machine is no broken store: the store is opened anew for what is wrong with it, and for nothing else.
func TestHealthOfABusyServer(t *testing.T) {
	busy := server.HealthzError{Type: server.HealthzErrorConn, Error: "failed to be ready for connections after 1ms: startup did not complete"}
	broken := server.HealthzError{Type: server.HealthzErrorStream, Error: "no space left on device"}
	for name, tc := range map[string]struct {
		found []server.HealthzError
		want  string
	}{
		"well":            {nil, ""},
		"busy":            {[]server.HealthzError{busy}, ""},
		"broken":          {[]server.HealthzError{broken}, "no space left on device"},
		"busy and broken": {[]server.HealthzError{busy, broken}, "no space left on device"},
		"broken twice":    {[]server.HealthzError{broken, broken}, "no space left on device\nno space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := failure(&server.HealthStatus{Errors: tc.found}); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
