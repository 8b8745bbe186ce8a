package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
)

// Nobody who holds a connection keeps the bridge from stopping in order: neither one who says nothing, on which net/http would spend more
// than all of the time, nor one who never ends a delivery, which is cut off in time for the journal.
func TestConnectionsDontTakeTheTimeOfAShutdown(t *testing.T) {
	for name, tc := range map[string]struct {
		says func(at server.Addrs) (address, text string)
		want string
	}{
		"a silent provider": {func(at server.Addrs) (string, string) { return at.HTTP, "" }, "<nil>"},
		"a silent operator": {func(at server.Addrs) (string, string) { return at.Admin, "" }, "<nil>"},
		"a delivery without end": {
			func(at server.Addrs) (string, string) {
				return at.HTTP, "POST /webhooks/demo HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
			},
			"shutdown: deliveries were still running: context deadline exceeded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hookbridge.yaml")
			text := "http: {listen: \"127.0.0.1:0\"}\ngrpc: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n" +
				"journal: {min_free: \"0\"}\nshutdown_timeout: 6s\n" + oneSource
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(path, config.Options{LookupEnv: lookupKey})
			if err != nil {
				t.Fatal(err)
			}
			s, err := server.New(t.Context(), server.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			address, head := tc.says(s.Addrs())
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if head != "" {
				if _, err := io.WriteString(conn, head); err != nil {
					t.Fatal(err)
				}
				// The bridge asks for the body: it has begun with the delivery.
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			} else {
				later(t, address)
			}
			cancel()
			if got := fmt.Sprint(<-done); got != tc.want {
				t.Errorf("it ended with %s, want %s", got, tc.want)
			}
		})
	}
}

// later returns when a connection that was opened later has been served: connections are taken in their order.
func later(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
}
