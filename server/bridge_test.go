package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 30 * time.Second

// keys are the secrets of the sources in the tests, by provider; other providers have anyKey.
var keys = map[string]string{
	"standard_webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"gitlab":            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"stripe":            "whsec_of_stripe",
	"another":           "the secret of another team",
	"hex":               "00112233445566778899aabbccddeeff",
}

const anyKey = "a secret of the tests"

// bridge is the production server, on free ports and a folder of its own.
type bridge struct {
	t    *testing.T
	path string // of the configuration
	now  func() time.Time
	at   server.Addrs
	// stop ends it in order; interrupt only asks for that, and ended says how it ended.
	stop, interrupt func()
	ended           func() error
	log             io.Writer // of what it logs, beside the test's output; nil for nobody

	server *server.Server
	conn   *grpc.ClientConn
	client hookbridgev1.EventServiceClient
	signer map[string]*provider.Source
	// catalogue has the built-in providers, and those of the test.
	catalogue *provider.Catalogue
}

// open writes the configuration and starts a bridge. more is YAML beside the listeners; a source's secret is env:<PROVIDER>.
func open(t *testing.T, more string, now func() time.Time) *bridge {
	t.Helper()
	return openFile(t, freePorts+more, now)
}

// freePorts are listeners wherever there is room.
const freePorts = "http: {listen: \"127.0.0.1:0\"}\ngrpc: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n"

// openWith is open with one more provider, a pack named "acme".
func openWith(t *testing.T, acme, more string, now func() time.Time) *bridge {
	t.Helper()
	return openCatalogue(t, acme, freePorts+more, now)
}

// openFile is open with the whole configuration.
func openFile(t *testing.T, text string, now func() time.Time) *bridge {
	t.Helper()
	return openCatalogue(t, "", text, now)
}

func openCatalogue(t *testing.T, acme, text string, now func() time.Time) *bridge {
	t.Helper()
	return (&bridge{t: t, now: now}).open(acme, text)
}

// openLogged is open with somebody who gets what the bridge logs.
func openLogged(t *testing.T, more string, log io.Writer) *bridge {
	t.Helper()
	return (&bridge{t: t, log: log}).open("", freePorts+more)
}

func (b *bridge) open(acme, text string) *bridge {
	t := b.t
	t.Helper()
	b.path = filepath.Join(t.TempDir(), "hookbridge.yaml")
	var err error
	if b.catalogue, err = provider.Builtin(); err != nil {
		t.Fatal(err)
	}
	if acme != "" {
		pack, err := provider.Parse("acme.yaml", []byte(acme))
		if err != nil {
			t.Fatal(err)
		}
		if b.catalogue, err = b.catalogue.With("acme.yaml", pack); err != nil {
			t.Fatal(err)
		}
	}
	if b.now == nil {
		b.now = time.Now
	}
	if err := os.WriteFile(b.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	return b
}

// start runs the server; it is stopped with the test, or before by stop.
func (b *bridge) start() {
	b.t.Helper()
	cfg, err := config.Load(b.path, config.Options{Providers: b.catalogue.Keys(), LookupEnv: lookupKey})
	if err != nil {
		b.t.Fatal(err)
	}
	b.signer = map[string]*provider.Source{}
	for _, s := range cfg.Sources {
		if s.Captured && !s.HasCaptured() {
			continue
		}
		pack, _ := b.catalogue.Get(s.Provider)
		b.signer[s.Name], err = provider.NewSource(provider.SourceConfig{
			Name: s.Name, Pack: pack, Secrets: []string{s.Secrets[0].Reveal()}, Settings: s.Settings, PublicURL: cfg.HTTP.PublicURL != nil,
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	log := b.t.Output()
	if b.log != nil {
		log = io.MultiWriter(log, b.log)
	}
	s, err := server.New(b.t.Context(), server.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(log, nil)), Version: "test", Catalogue: b.catalogue, Now: b.now})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.server, b.at = s, s.Addrs()
	conn, err := grpc.NewClient(b.at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.conn, b.client = conn, hookbridgev1.NewEventServiceClient(conn)
	stopped := false
	b.interrupt = cancel
	b.ended = func() error {
		if stopped {
			return nil
		}
		stopped = true
		return <-done
	}
	b.stop = func() {
		_ = conn.Close()
		cancel()
		if err := b.ended(); err != nil {
			b.t.Errorf("the bridge ended with %v", err)
		}
	}
	b.t.Cleanup(b.stop)
}

func lookupKey(name string) (string, bool) {
	if key, ok := keys[name]; ok {
		return key, true
	}
	return anyKey, true
}

// answer is what the sender of a delivery was told.
type answer struct {
	status     int
	retryAfter string
	text       string
	receipt    struct {
		ID        string
		Sequence  int64 `json:"sequence,string"`
		Duplicate bool
	}
}

// post signs a body as the source's provider would, and posts it. header replaces what the signer set.
func (b *bridge) post(source, typ, id string, body []byte, header http.Header) answer {
	b.t.Helper()
	a, err := b.tryPost(source, typ, id, body, header)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bridge) tryPost(source, typ, id string, body []byte, header http.Header) (a answer, err error) {
	u := &url.URL{Scheme: "http", Host: b.at.HTTP, Path: "/webhooks/" + source}
	signed, err := b.signer[source].Sign(u, body, typ, id, b.now())
	if err != nil {
		return a, err
	}
	for name, values := range header {
		signed[http.CanonicalHeaderKey(name)] = values
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header = signed
	resp, err := poster.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a.status, a.retryAfter, a.text = resp.StatusCode, resp.Header.Get("Retry-After"), string(text)
	if a.status == http.StatusOK && json.Valid(text) {
		err = json.Unmarshal(text, &a.receipt)
	}
	return a, err
}

// mustStore posts and returns the sequence of a delivery that must be new.
func (b *bridge) mustStore(source, typ, id string, body []byte) int64 {
	b.t.Helper()
	a := b.post(source, typ, id, body, nil)
	if a.status != http.StatusOK || a.receipt.Duplicate {
		b.t.Fatalf("%s: want 200 and a new event, got %d %s", id, a.status, a.text)
	}
	return a.receipt.Sequence
}

// follow opens a stream from the beginning and returns a function that gives the next delivery.
func (b *bridge) follow(req *hookbridgev1.SubscribeRequest) (next func() *hookbridgev1.Delivery, end func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	if req.Start == nil {
		req.Start = &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
	}
	stream, err := b.client.Subscribe(ctx, req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cancel)
	return func() *hookbridgev1.Delivery {
		b.t.Helper()
		late := time.AfterFunc(patience, cancel)
		defer late.Stop()
		for {
			m, err := stream.Recv()
			if err != nil {
				b.t.Fatalf("the stream ended: %v", err)
			}
			if d := m.GetDelivery(); d != nil {
				return d
			}
		}
	}, cancel
}

// acknowledge settles deliveries, all of which must be outstanding.
func (b *bridge) acknowledge(subscription string, ackIDs ...string) {
	b.t.Helper()
	resp, err := b.client.Acknowledge(b.t.Context(), &hookbridgev1.AcknowledgeRequest{Subscription: subscription, AckIds: ackIDs})
	if err != nil || len(resp.GetFailures()) > 0 {
		b.t.Fatalf("acknowledge: %v %v", err, resp)
	}
}

// content reads an event's body back through the stream of chunks, with a client of default limits.
func (b *bridge) content(sequence int64) []byte {
	b.t.Helper()
	stream, err := b.client.GetEventContent(b.t.Context(), &hookbridgev1.GetEventContentRequest{Sequence: sequence})
	if err != nil {
		b.t.Fatal(err)
	}
	var body []byte
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return body
		}
		if err != nil {
			b.t.Fatal(err)
		}
		body = append(body, m.GetChunk()...)
	}
}

// userCreated is a body of the provider hmac of about so many bytes.
func userCreated(n int) []byte {
	return fmt.Appendf(nil, `{"event":"user_created","user_id":42,"note":%q}`, bytes.Repeat([]byte("x"), n))
}
