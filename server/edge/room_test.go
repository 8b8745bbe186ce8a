package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/provider"
)

// Many senders that announce large bodies and send little of them take little: what counts is what they sent.
func TestAnnouncedBodiesTakeNoRoom(t *testing.T) {
	b := open(t, "github", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) { c.MaxInFlight = 2 << 20 })
	const senders = 64
	for range senders {
		conn, err := net.Dial("tcp", b.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := fmt.Fprintf(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 26214400\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	if resp, text := b.send(t, `{"action":"x"}`, nil); resp.StatusCode != 200 {
		t.Errorf("status %d: %s", resp.StatusCode, text)
	}
}

// Beyond the budget a body is refused with 503; when the others are done there is room again.
func TestBudget(t *testing.T) {
	b := open(t, "hmac", func(s *provider.SourceConfig, c *Config, _ *Endpoint) { s.MaxBody, c.MaxInFlight = 4<<20, 1<<20 })
	body := `"` + strings.Repeat("x", 2<<20) + `"`
	resp, text := b.send(t, body, nil)
	if resp.StatusCode != 503 || reasonOf(t, text) != "OVERLOADED" || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
	if !b.handler.budget.room.TryAcquire(1 << 20) {
		t.Error("the refused body still takes room")
	}
}

// X-Forwarded-For is believed from its right end, for as long as the hop before is trusted.
func TestPeer(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct{ name, remote, forwarded, want string }{
		{"direct", "203.0.113.9:1", "", "203.0.113.9"},
		{"an untrusted peer writes what it likes", "203.0.113.9:1", "1.2.3.4", "203.0.113.9"},
		{"through a proxy", "10.0.0.1:1", "203.0.113.9", "203.0.113.9"},
		{"through two, with a forged one in front", "10.0.0.1:1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"rubbish", "10.0.0.1:1", "what", "10.0.0.1"},
		{"mapped", "[::ffff:10.0.0.1]:1", "203.0.113.9", "203.0.113.9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{}}
			if tc.forwarded != "" {
				r.Header.Set("X-Forwarded-For", tc.forwarded)
			}
			if got := peer(r, trusted); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A sender that reads the answer only when it has sent everything gets its 413, and not a reset connection.
func TestAnswerBeforeTheEndOfABody(t *testing.T) {
	b := open(t, "hmac", func(s *provider.SourceConfig, _ *Config, _ *Endpoint) { s.MaxBody = 1 << 10 })
	for name, head := range map[string]string{
		"announced": fmt.Sprintf("Content-Length: %d\r\n\r\n", 8<<20),
		"chunked":   fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", 8<<20),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", b.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"+head); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(make([]byte, 8<<20)); err != nil {
				t.Fatalf("the connection was closed over the body: %v", err)
			}
			if name == "chunked" {
				if _, err := io.WriteString(conn, "\r\n0\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			answer, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 413 ") || !strings.Contains(string(answer), "BODY_TOO_LARGE") {
				t.Errorf("want 413, got %q, %v", answer, err)
			}
		})
	}
}
