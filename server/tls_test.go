package server_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"net/http"
	"strings"
	"testing"

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
