package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/certtest"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// secure is the production server with TLS on all listeners, and a folder with its configuration and certificates.
type secure struct {
	*bridge
	dir       string
	server    *server.Server
	authority *certtest.Authority // of the bridge's own certificates
	clients   *certtest.Authority // of those of clients
}

// discard logs nothing.
var discard = slog.New(slog.DiscardHandler)

const secureListeners = `http: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key}}
grpc: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key, client_ca: clients.crt}}
admin: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key, client_ca: clients.crt}}
journal: {min_free: "0"}
sources:
- {name: stripe-eu, provider: hmac, secrets: [env:hmac]}
- {name: orders, provider: hmac, secrets: [env:hmac]}
`

// openSecure starts a bridge. principals is the YAML of a list.
func openSecure(t *testing.T, principals string, now func() time.Time) *secure {
	t.Helper()
	s := &secure{
		bridge: &bridge{t: t, now: time.Now}, dir: t.TempDir(),
		authority: certtest.New(t, "bridge authority"), clients: certtest.New(t, "client authority"),
	}
	s.authority.Write(t, s.dir, "bridge", certtest.Leaf{})
	s.write("clients.crt", string(s.clients.PEM()))
	cfg, err := s.configure(principals)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	s.signer = map[string]*provider.Source{}
	for _, source := range cfg.Sources {
		pack, _ := catalogue.Get(source.Provider)
		if s.signer[source.Name], err = provider.NewSource(provider.SourceConfig{Name: source.Name, Pack: pack, Secrets: []string{anyKey}}); err != nil {
			t.Fatal(err)
		}
	}
	s.server, err = server.New(t.Context(), server.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.at = s.server.Addrs()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	})
	return s
}

func (s *secure) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// configure writes the configuration and reads it as serve does.
func (s *secure) configure(principals string) (*config.Config, error) {
	s.t.Helper()
	text := secureListeners
	if principals != "" {
		text += "auth:\n  principals:\n" + principals
	}
	s.write("hookbridge.yaml", text)
	return config.Load(filepath.Join(s.dir, "hookbridge.yaml"), config.Options{LookupEnv: lookupKey})
}

// reload takes over other principals and what is in the files now.
func (s *secure) reload(principals string) {
	s.t.Helper()
	cfg, err := s.configure(principals)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.server.Reload(cfg); err != nil {
		s.t.Fatal(err)
	}
}

// caller is somebody who calls: with a certificate, a token, both or neither.
type caller struct {
	certificate *tls.Certificate
	token       string
	// authorization replaces the token.
	authorization []string
}

func (c caller) values() []string {
	if c.token != "" {
		return append([]string{"Bearer " + c.token}, c.authorization...)
	}
	return c.authorization
}

func (s *secure) tls(c caller) *tls.Config {
	t := &tls.Config{RootCAs: s.authority.Pool()}
	if c.certificate != nil {
		t.Certificates = []tls.Certificate{*c.certificate}
	}
	return t
}

// dial connects to the gRPC listener.
func (s *secure) dial(c caller) (*grpc.ClientConn, context.Context) {
	s.t.Helper()
	conn, err := grpc.NewClient(s.at.GRPC, grpc.WithTransportCredentials(credentials.NewTLS(s.tls(c))))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	for _, value := range c.values() {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return conn, ctx
}

func (s *secure) events(c caller) (hookbridgev1.EventServiceClient, context.Context) {
	s.t.Helper()
	conn, ctx := s.dial(c)
	return hookbridgev1.NewEventServiceClient(conn), ctx
}

// request asks an HTTPS listener.
func (s *secure) request(c caller, method, address, path string, header http.Header, body io.Reader) (status int, text string, answer http.Header, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+address+path, body)
	if err != nil {
		return 0, "", nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	for _, value := range c.values() {
		req.Header.Add("Authorization", value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: s.tls(c)}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(read), resp.Header, err
}

// admin asks the admin listener.
func (s *secure) admin(c caller, path string) (int, string, http.Header) {
	s.t.Helper()
	status, text, header, err := s.request(c, http.MethodGet, s.at.Admin, path, nil, nil)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return status, text, header
}

// store posts an event over HTTPS and returns nothing: its sequence is the next.
func (s *secure) store(source, id string) {
	s.t.Helper()
	body := fmt.Appendf(nil, `{"event":"user_created","user_id":%q}`, id)
	signed, err := s.signer[source].Sign(nil, body, "user_created", id, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	status, text, _, err := s.request(caller{}, http.MethodPost, s.at.HTTP, "/webhooks/"+source, signed, strings.NewReader(string(body)))
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("post: %d %s %v", status, text, err)
	}
}
