package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/certtest"
)

// Handshakes after a reload see the new certificate and the new authority; connections that stand go on.
func TestCertificatesAreReplacedWhileItRuns(t *testing.T) {
	token := auth.NewToken()
	principals := principal("a", token, `"CN=a"`, `sources: ["*"], types: ["*"]`)
	s := openSecure(t, principals, nil)
	seen := func(address string) string {
		t.Helper()
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: s.authority.Pool(), NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	client, ctx := s.events(caller{token: token})
	list := func() {
		t.Helper()
		if _, err := client.ListEvents(ctx, &hookbridgev1.ListEventsRequest{}); err != nil {
			t.Error(err)
		}
	}
	list()
	old := s.clients.Pair(t, certtest.Leaf{Subject: pkix.Name{CommonName: "a"}})
	if code, _, _, err := s.request(caller{certificate: &old}, http.MethodGet, s.at.Admin, "/v1/events", nil, nil); err != nil || code != 200 {
		t.Fatalf("got %d, %v", code, err)
	}
	before := seen(s.at.GRPC)
	s.authority.Write(t, s.dir, "bridge", certtest.Leaf{})
	clients := certtest.New(t, "client authority")
	s.write("clients.crt", string(clients.PEM()))
	s.reload(principals)
	after := seen(s.at.GRPC)
	if after == before {
		t.Error("a new handshake sees the old certificate")
	}
	for _, address := range []string{s.at.HTTP, s.at.Admin} {
		if got := seen(address); got != after {
			t.Errorf("%s shows another certificate", address)
		}
	}
	list()
	renewed := clients.Pair(t, certtest.Leaf{Subject: pkix.Name{CommonName: "a"}})
	if code, _, _, err := s.request(caller{certificate: &renewed}, http.MethodGet, s.at.Admin, "/v1/events", nil, nil); err != nil || code != 200 {
		t.Errorf("a certificate of the new authority: %d, %v", code, err)
	}
	if code, _, _, err := s.request(caller{certificate: &old}, http.MethodGet, s.at.Admin, "/v1/events", nil, nil); err == nil {
		t.Errorf("a certificate of the old authority is still believed: %d", code)
	}

	// What is wrong is refused as a whole, and the bridge goes on with what it has.
	s.write("bridge.crt", "broken")
	if _, err := s.configure(principals); err == nil || !strings.HasSuffix(err.Error(), "bridge.crt: has no certificate in PEM") {
		t.Errorf("got %v", err)
	}
	if got := seen(s.at.GRPC); got != after {
		t.Error("a broken file changed the certificate")
	}
	list()
}

// A bridge that can't have its certificates or principals doesn't start; nothing is served without them.
func TestNothingStartsWithoutWhatProtectsIt(t *testing.T) {
	s := openSecure(t, principal("a", auth.NewToken(), "", ""), nil)
	for name, tc := range map[string]struct {
		change func(t *testing.T) error
		want   string
	}{
		"a certificate": {func(t *testing.T) error {
			cfg, err := s.configure(principal("a", auth.NewToken(), "", ""))
			if err != nil {
				t.Fatal(err)
			}
			cfg.GRPC.TLS.Cert = []byte("broken")
			_, err = server.New(t.Context(), server.Options{Config: cfg, Logger: discard, Version: "test"})
			return err
		}, "grpc.tls: certificate DIR/bridge.crt with key DIR/bridge.key: tls: failed to find any PEM data in certificate input"},
		"an authority": {func(t *testing.T) error {
			cfg, err := s.configure(principal("a", auth.NewToken(), "", ""))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Admin.TLS.ClientCA = nil
			_, err = server.New(t.Context(), server.Options{Config: cfg, Logger: discard, Version: "test"})
			return err
		}, "admin.tls: client_ca DIR/clients.crt: has no certificate in PEM"},
		"principals": {func(t *testing.T) error {
			cfg, err := s.configure(principal("a", auth.NewToken(), "", ""))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Principals = append(cfg.Principals, cfg.Principals[0])
			_, err = server.New(t.Context(), server.Options{Config: cfg, Logger: discard, Version: "test"})
			return err
		}, `auth: principal "a": want a name of its own`},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.change(t)
			if err == nil {
				t.Fatal("it starts")
			}
			if got := strings.ReplaceAll(err.Error(), s.dir, "DIR"); got != tc.want {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// What fails before anybody is authenticated, or even speaks HTTP, is counted all the same.
func TestFailedHandshakesAreCounted(t *testing.T) {
	token := auth.NewToken()
	s := openSecure(t, principal("a", token, "", ""), nil)
	stranger := certtest.New(t, "somebody").Pair(t, certtest.Leaf{})
	// handshake returns when the bridge has closed the connection. In TLS 1.3 a client learns of a refused certificate only by reading.
	handshake := func(address string, change func(*tls.Config)) {
		t.Helper()
		cfg := &tls.Config{RootCAs: s.authority.Pool(), ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}}
		change(cfg)
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if client := tls.Client(conn, cfg); client.Handshake() == nil {
			if _, err := io.Copy(io.Discard, client); err == nil {
				t.Error("the bridge ended the connection without an error")
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}
	raw := func(address, text string) {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			_, _ = io.WriteString(conn, text)
			_, _ = io.Copy(io.Discard, conn)
		}
		_ = conn.Close()
	}
	count := func(listener, reason, want string) {
		t.Helper()
		line := `hookbridge_tls_handshake_failures_total{listener="` + listener + `",reason="` + reason + `"} `
		deadline := time.Now().Add(patience)
		for {
			_, text, _ := s.admin(caller{token: token}, "/metrics")
			_, rest, found := strings.Cut(text, line)
			got, _, _ := strings.Cut(rest, "\n")
			if found && got == want {
				return
			}
			// The bridge counts when it has closed the connection, which is when the client may go on.
			if time.Now().After(deadline) {
				t.Errorf("%s, %s: got %q, want %s", listener, reason, got, want)
				return
			}
		}
	}
	for _, l := range []struct{ name, address string }{{"http", s.at.HTTP}, {"grpc", s.at.GRPC}, {"admin", s.at.Admin}} {
		for _, reason := range []string{"not_tls", "closed", "timeout", "no_certificate", "bad_certificate", "refused_by_peer", "other"} {
			count(l.name, reason, "0")
		}
		raw(l.address, "GET / HTTP/1.1\r\nHost: bridge\r\n\r\n")
		count(l.name, "not_tls", "1")
		raw(l.address, "")
		count(l.name, "closed", "1")
		handshake(l.address, func(c *tls.Config) { c.RootCAs = x509.NewCertPool() })
		count(l.name, "refused_by_peer", "1")
		handshake(l.address, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
		count(l.name, "other", "1")
		if l.name == "http" {
			continue // it asks for no certificate
		}
		handshake(l.address, func(c *tls.Config) {
			// Whatever authorities the bridge asks for.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
		})
		count(l.name, "bad_certificate", "1")
	}
	// Nothing was counted twice, and what went well is not counted.
	for _, reason := range []string{"not_tls", "closed", "refused_by_peer", "other"} {
		count("http", reason, "1")
	}
	count("http", "bad_certificate", "0")
}
