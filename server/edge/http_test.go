package edge

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// dial opens a connection that can't block a test for ever.
func (b *bridge) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", b.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("a connection of type %T", conn)
	}
	return tcp
}

// exchange writes bytes as they are and reads one answer.
func (b *bridge) exchange(t *testing.T, method, request string) (*http.Response, string) {
	t.Helper()
	conn := b.dial(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// What is on the listener, request by request as they are on the wire: nothing but POST to a source, and no way around that.
func TestOnTheWire(t *testing.T) {
	const body = `{"event":"user_created"}`
	signed := "Host: x\r\nContent-Type: application/json\r\nX-Delivery-Id: d-1\r\nX-Signature: " + sign(body) + "\r\n"
	post := func(target, more string) string {
		return "POST " + target + " HTTP/1.1\r\n" + signed + more + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	bare := func(method, target string) string { return method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	for _, tc := range []struct {
		name, method, request string
		status                int
		reason                string
	}{
		{"POST", "POST", post("/webhooks/demo", ""), 200, ""},
		{"GET without a handshake", "GET", bare("GET", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"HEAD without a handshake", "HEAD", bare("HEAD", "/webhooks/demo"), 405, ""},
		{"OPTIONS without a handshake", "OPTIONS", bare("OPTIONS", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"DELETE", "DELETE", bare("DELETE", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"PATCH", "PATCH", bare("PATCH", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"a method of nobody", "BREW", bare("BREW", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"post in lower case", "post", bare("post", "/webhooks/demo"), 405, "METHOD_NOT_ALLOWED"},
		{"GET of nobody", "GET", bare("GET", "/webhooks/nobody"), 404, "UNKNOWN_SOURCE"},
		{"the root", "GET", bare("GET", "/"), 404, "UNKNOWN_SOURCE"},
		{"metrics are elsewhere", "GET", bare("GET", "/metrics"), 404, "UNKNOWN_SOURCE"},
		{"health is elsewhere", "GET", bare("GET", "/healthz"), 404, "UNKNOWN_SOURCE"},
		{"profiles are nowhere", "GET", bare("GET", "/debug/pprof/"), 404, "UNKNOWN_SOURCE"},
		{"the service by its gRPC name", "POST", post("/hookbridge.v1.IngestService/Ingest", ""), 404, "UNKNOWN_SOURCE"},
		{"OPTIONS of everything", "OPTIONS", bare("OPTIONS", "*"), 404, "UNKNOWN_SOURCE"},
		{"CONNECT", "CONNECT", "CONNECT demo:80 HTTP/1.1\r\nHost: demo:80\r\n\r\n", 404, "UNKNOWN_SOURCE"},
		{"no name", "POST", post("/webhooks/", ""), 404, "UNKNOWN_SOURCE"},
		{"a slash behind", "POST", post("/webhooks/demo/", ""), 404, "UNKNOWN_SOURCE"},
		{"two slashes", "POST", post("//webhooks/demo", ""), 404, "UNKNOWN_SOURCE"},
		{"dots", "POST", post("/x/../webhooks/demo", ""), 404, "UNKNOWN_SOURCE"},
		{"an escaped slash", "POST", post("/webhooks%2Fdemo", ""), 200, ""},
		{"an escaped letter", "POST", post("/webhooks/%64emo", ""), 200, ""},
		{"upper case", "POST", post("/webhooks/Demo", ""), 404, "UNKNOWN_SOURCE"},
		{"a NUL", "POST", post("/webhooks/demo%00", ""), 404, "UNKNOWN_SOURCE"},
		{"an absolute target", "POST", post("http://elsewhere/webhooks/demo", ""), 200, ""},
		{"a query is no field", "POST", post("/webhooks/demo?source=other&event.id=forged&not_json=true&%zz", ""), 200, ""},
		{"an encoding", "POST", post("/webhooks/demo", "Content-Encoding: gzip\r\n"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"an encoding in upper case", "POST", post("/webhooks/demo", "CONTENT-ENCODING: BR\r\n"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"identity", "POST", post("/webhooks/demo", "Content-Encoding: Identity\r\n"), 200, ""},
		{"identity and another", "POST", post("/webhooks/demo", "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"two in one", "POST", post("/webhooks/demo", "Content-Encoding: identity, gzip\r\n"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"two media types", "POST", post("/webhooks/demo", "Content-Type: application/json\r\nContent-Type: text/plain\r\n"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"the same media type twice", "POST", post("/webhooks/demo", "Content-Type: application/json\r\nContent-Type: application/json\r\n"), 200, ""},
		{"chunks", "POST", "POST /webhooks/demo HTTP/1.1\r\n" + signed + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + "\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body)-5, body[5:]), 200, ""},
		{"broken chunks", "POST", "POST /webhooks/demo HTTP/1.1\r\n" + signed + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "MALFORMED_REQUEST"},
		{"a signature behind the body", "POST", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nTrailer: X-Signature\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Signature: %s\r\n\r\n", len(body), body, sign(body)), 401, "SIGNATURE_MISSING"},
		{"the signature of nothing for no body", "POST", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: " + sign("") + "\r\n\r\n", 200, ""},
		{"a body on expectation", "POST", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n", 413, "BODY_TOO_LARGE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, "hmac")
			resp, text := b.exchange(t, tc.method, tc.request)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
			if tc.reason != "" && reasonOf(t, text) != tc.reason {
				t.Errorf("reason %s, want %s", reasonOf(t, text), tc.reason)
			}
			b.Close() // Then what it got may be read.
			if tc.status != 200 {
				if len(b.got) != 0 {
					t.Error("it went past the edge")
				}
				return
			}
			if len(b.got) != 1 || b.got[0].Source != "demo" || b.got[0].ID == "forged" {
				t.Errorf("got %+v", b.got)
			}
		})
	}
}

// Heads that no server should take.
func TestBadHeads(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		status        int
	}{
		{"larger than a head may be", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: " + strings.Repeat("0", maxHead+8<<10) + "\r\n\r\n", 431},
		{"a NUL in a value", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: a\x00b\r\n\r\n", 400},
		{"no host", "POST /webhooks/demo HTTP/1.1\r\n\r\n", 400},
		{"a space before the colon", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n", 400},
		{"two lengths", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		{"a coding of nobody", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, "hmac")
			if resp, text := b.exchange(t, "POST", tc.request); resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			b.Close()
			if len(b.got) != 0 {
				t.Error("it went past the edge")
			}
		})
	}
}

// A sender that takes for ever is cut off: one in the head without an answer, one in the body with one that says so. Neither keeps
// room of the budget.
func TestSlowSenders(t *testing.T) {
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get("hmac")
	b := openPack(t, pack, 200*time.Millisecond)
	t.Run("in the head", func(t *testing.T) {
		conn := b.dial(t)
		if _, err := io.WriteString(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Sig"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || strings.HasPrefix(string(answer), "HTTP/1.1 2") {
			t.Errorf("got %q, %v", answer, err)
		}
	})
	t.Run("in the body", func(t *testing.T) {
		resp, text := b.exchange(t, "POST", "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		if resp.StatusCode != 408 || reasonOf(t, text) != "MALFORMED_REQUEST" {
			t.Errorf("status %d: %s", resp.StatusCode, text)
		}
	})
	b.Close()
	if used := b.handler.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still taken", used)
	}
	if c := b.handler.Server(30 * time.Second); c.ReadHeaderTimeout != longestHead || c.ReadTimeout != 30*time.Second || c.IdleTimeout != idle || c.WriteTimeout != 70*time.Second {
		t.Errorf("timeouts: head %v, read %v, idle %v, write %v", c.ReadHeaderTimeout, c.ReadTimeout, c.IdleTimeout, c.WriteTimeout)
	}
}

// A sender that goes away in the middle of its body leaves nothing behind, and what it sent is no delivery even where it is signed.
func TestSenderGoesAway(t *testing.T) {
	const half = `{"event":"user_created"}`
	for _, length := range []string{"Content-Length: 1000000\r\n\r\n" + half, "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(half), half)} {
		b := open(t, "hmac")
		conn := b.dial(t)
		if _, err := io.WriteString(conn, "POST /webhooks/demo HTTP/1.1\r\nHost: x\r\nX-Signature: "+sign(half)+"\r\n"+length); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "MALFORMED_REQUEST") {
			t.Errorf("got %q", answer)
		}
		b.Close()
		if used := b.handler.budget.used.Load(); used != 0 || len(b.got) != 0 {
			t.Errorf("%d bytes are still taken, %d deliveries", used, len(b.got))
		}
	}
}

// A defect in a room behind the edge is answered 500 without its cause, which is in the log under the answer's id.
func TestPanic(t *testing.T) {
	b := open(t, "hmac", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Next = func(context.Context, http.ResponseWriter, *delivery.Delivery) error {
			var none *delivery.Verified
			return fmt.Errorf("never: %s", none.Source)
		}
	})
	resp, text := b.send(t, `{}`, nil)
	id := resp.Header.Get("X-Request-Id")
	if resp.StatusCode != 500 || reasonOf(t, text) != "INTERNAL" || !strings.Contains(text, id) || strings.Contains(text, "nil pointer") {
		t.Errorf("got %d: %s", resp.StatusCode, text)
	}
	if log := b.log.String(); !strings.Contains(log, "nil pointer") || !strings.Contains(log, "request_id="+id) || !strings.Contains(log, "level=ERROR") {
		t.Errorf("the log doesn't have the cause under %s: %s", id, log)
	}
}

// doorbell is a pack with a handshake for each method, and with a status of its own for what isn't authentic.
const doorbell = `
key: doorbell
name: Doorbell
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: X-Signature}]}]
type: [{parts: [{json: event}]}]
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: challenge}], respond: {content_type: application/json, body: '{{"answer":"{query:challenge}"}}'}}
  - {method: HEAD, respond: {status: 204}}
  - {method: OPTIONS, when: [{header: Origin}], respond: {headers: [{name: X-Allowed, value: "{header:Origin}"}]}}
  - {method: POST, when: [{json: type, equals: hello}], respond: {content_type: text/plain, body: "{json:challenge}"}}
answers: {failure: {status: 403}}
proof: none
retries: true
evidence: [made for this test]
`

// Handshakes are answered where the pack has them, to methods that other packs refuse; none becomes an event, and none is a way
// around the signature.
func TestHandshakes(t *testing.T) {
	pack, err := provider.Parse("doorbell.yaml", []byte(doorbell))
	if err != nil {
		t.Fatal(err)
	}
	head := func(method, target, more string) string {
		return method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n"
	}
	unsigned := func(body string) string {
		return head("POST", "/webhooks/demo", fmt.Sprintf("Content-Length: %d\r\n", len(body))) + body
	}
	for _, tc := range []struct {
		name, method, request string
		status                int
		body, contentType     string
		reason                string
	}{
		{"GET", "GET", head("GET", "/webhooks/demo?challenge=a%22b", ""), 200, `{"answer":"a\"b"}`, "application/json", ""},
		{"GET without what it asks for", "GET", head("GET", "/webhooks/demo", ""), 403, "", "", "SIGNATURE_MISSING"},
		{"GET that is signed and asks for nothing", "GET", head("GET", "/webhooks/demo", "X-Signature: "+sign("")+"\r\n"), 400, "", "", "HANDSHAKE_REFUSED"},
		{"GET that would break the answer", "GET", head("GET", "/webhooks/demo?challenge=a%0d%0ab", ""), 400, "", "", "HANDSHAKE_REFUSED"},
		{"GET with a long text", "GET", head("GET", "/webhooks/demo?challenge="+strings.Repeat("a", 2000), ""), 400, "", "", "HANDSHAKE_REFUSED"},
		{"GET with markup", "GET", head("GET", "/webhooks/demo?challenge=%3Cb%3E", ""), 200, `{"answer":"\u003cb\u003e"}`, "application/json", ""},
		{"HEAD", "HEAD", head("HEAD", "/webhooks/demo", ""), 204, "", "", ""},
		{"OPTIONS", "OPTIONS", head("OPTIONS", "/webhooks/demo", "Origin: https://a.example\r\n"), 200, "", "", ""},
		{"POST", "POST", unsigned(`{"type":"hello","challenge":"x"}`), 200, "x", "text/plain", ""},
		{"POST of something else", "POST", unsigned(`{"type":"event","challenge":"x"}`), 403, "", "", "SIGNATURE_MISSING"},
		{"PUT", "PUT", head("PUT", "/webhooks/demo", ""), 405, "", "", "METHOD_NOT_ALLOWED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := openPack(t, pack, 30*time.Second)
			resp, text := b.exchange(t, tc.method, tc.request)
			if resp.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tc.status, text)
			}
			if tc.reason != "" {
				if got := reasonOf(t, text); got != tc.reason {
					t.Errorf("reason %s, want %s", got, tc.reason)
				}
			} else if text != tc.body || resp.Header.Get("Content-Type") != tc.contentType || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("got %q, %v", text, resp.Header)
			}
			if tc.name == "OPTIONS" && resp.Header.Get("X-Allowed") != "https://a.example" {
				t.Errorf("X-Allowed is %q", resp.Header.Get("X-Allowed"))
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "POST, GET, HEAD, OPTIONS" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
			b.Close()
			if len(b.got) != 0 {
				t.Error("a handshake became an event")
			}
		})
	}
}

// Who sent a refused delivery is said: the peer, or who a trusted proxy says it is. The labels of the metrics are those of
// the configuration and of the table of reasons, whatever a sender writes.
func TestWhoAndWhatIsCounted(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	refused := make(chan *delivery.Refusal, 10)
	b := open(t, "hmac", func(_ *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Registerer = registry
		c.Refused = func(r *delivery.Refusal) { refused <- r }
	})
	forged := func(path string) {
		t.Helper()
		b.send(t, `{}`, func(r *http.Request) {
			r.URL.Path = path
			r.Header.Set("X-Signature", strings.Repeat("0", 64))
			r.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.9")
		})
	}
	b.send(t, `{}`, nil)
	forged("/webhooks/demo")
	for n := range 3 {
		forged(fmt.Sprintf("/webhooks/nobody-%d", n))
	}
	b.Close()
	close(refused)
	var who []string
	for r := range refused {
		who = append(who, r.Source+" "+r.Peer+" "+r.Reason)
	}
	nobody := " 203.0.113.9 UNKNOWN_SOURCE"
	if diff := cmp.Diff([]string{"demo 203.0.113.9 SIGNATURE_MISMATCH", nobody, nobody, nobody}, who); diff != "" {
		t.Errorf("who was refused (-want +got)\n%s", diff)
	}
	want := `
# HELP hookbridge_deliveries_total Requests of providers by source, HTTP status and reason (empty for success; see ErrorReason). Unknown sources count as other.
# TYPE hookbridge_deliveries_total counter
hookbridge_deliveries_total{reason="",source="demo",status="200"} 1
hookbridge_deliveries_total{reason="SIGNATURE_MISMATCH",source="demo",status="401"} 1
hookbridge_deliveries_total{reason="UNKNOWN_SOURCE",source="other",status="404"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "hookbridge_deliveries_total"); err != nil {
		t.Error(err)
	}
}
