package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"buf.build/go/protoyaml"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// documents is the network: what it has is answered, everything else can't be reached. What was asked for is noted.
type documents struct {
	of    map[string]string
	mu    sync.Mutex
	asked []string
}

func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	u := r.Method + " " + r.URL.String()
	d.mu.Lock()
	d.asked = append(d.asked, u)
	d.mu.Unlock()
	text, ok := d.of[r.URL.String()]
	if !ok {
		return nil, fmt.Errorf("no route to %s", r.URL.Host)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (d *documents) requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// certified are the providers that sign with a certificate which the delivery names and they publish, so that a source has no secret.
func certified() []string { return []string{"aws_sns", "paypal"} }

// certifiedSource is a source for one case of a provider's fixture.
type certifiedSource struct {
	name, provider string
	*providerv1.Case
}

// certifiedSources are those of all cases, and the configuration that has them.
func certifiedSources(t *testing.T) (list []certifiedSource, text string) {
	t.Helper()
	text = freePorts + "journal: {dir: data, min_free: 0B}\nsources:\n"
	for _, key := range certified() {
		data, err := os.ReadFile(filepath.Join("provider", "testdata", "fixtures", key+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		fixture := &providerv1.Fixture{}
		if err := protoyaml.Unmarshal(data, fixture); err != nil {
			t.Fatal(err)
		}
		for n, c := range fixture.GetCases() {
			s := certifiedSource{fmt.Sprintf("%s-%d", strings.ReplaceAll(key, "_", "-"), n), key, c}
			var settings []string
			for name, value := range c.GetSettings() {
				settings = append(settings, fmt.Sprintf("%s: %q", name, value))
			}
			text += fmt.Sprintf("- {name: %s, provider: %s, settings: {%s}}\n", s.name, key, strings.Join(settings, ", "))
			list = append(list, s)
		}
	}
	return list, text
}

// openCertified runs a bridge with the sources, in a network.
func openCertified(t *testing.T, text string, network *documents) (server.Addrs, hookbridgev1.EventServiceClient) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hookbridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.For(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{
		Config: cfg, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test", KeyTransport: network,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	})
	conn, err := grpc.NewClient(s.Addrs().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return s.Addrs(), hookbridgev1.NewEventServiceClient(conn)
}

// deliver posts a case as its provider would.
func (s certifiedSource) deliver(t *testing.T, at server.Addrs) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at.HTTP+"/webhooks/"+s.name, strings.NewReader(s.GetBody()))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.GetHeaders() {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(got)
}

// TestCertificates takes deliveries that an independent signer made through the whole bridge: what is signed is stored, what is forged or
// altered is 401 and isn't. A subscription is confirmed where the source says so, and nowhere else, by a visit to the link that is signed.
func TestCertificates(t *testing.T) {
	sources, text := certifiedSources(t)
	network := &documents{of: map[string]string{}}
	for _, s := range sources {
		for u, document := range s.GetPublishedKeys() {
			network.of[u] = document
		}
	}
	at, client := openCertified(t, text, network)
	stored := map[string]int{}
	for _, s := range sources {
		if s.GetRefused() == "KEY_UNAVAILABLE" {
			continue // see TestCertificatesOutOfReach
		}
		status, text := s.deliver(t, at)
		if s.GetRefused() != "" {
			if status != http.StatusUnauthorized || !strings.Contains(text, s.GetRefused()) {
				t.Errorf("%s, %s: answered %d %s, want 401 %s", s.provider, s.GetName(), status, text, s.GetRefused())
			}
			continue
		}
		if status != http.StatusOK {
			t.Errorf("%s, %s: answered %d %s, want 200", s.provider, s.GetName(), status, text)
			continue
		}
		stored[s.provider]++
		want := s.GetEvents()[0]
		got, err := client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{
			Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: s.name, Id: want.GetId()}}, IncludeContent: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		e := got.GetEvent()
		if e.GetType() != want.GetType() || e.GetProvider() != s.provider || e.GetOrderingKey() != want.GetOrderingKey() ||
			!e.GetOccurredAt().AsTime().Equal(want.GetOccurredAt().AsTime()) || e.GetAuth().GetScheme() != "code" ||
			e.GetDecoding().GetState() != hookbridgev1.Decoding_STATE_UNTYPED || string(e.GetContent().GetBody()) != s.GetBody() {
			t.Errorf("%s, %s: stored %v, want %v", s.provider, s.GetName(), e, want)
		}
	}
	if stored["aws_sns"] != 4 || stored["paypal"] != 1 {
		t.Errorf("stored %v, want 4 of aws_sns and 1 of paypal", stored)
	}
	page, err := client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{})
	if err != nil || len(page.GetEvents()) != 5 {
		t.Errorf("%d events are stored (%v), want 5", len(page.GetEvents()), err)
	}
	var visits []string
	for _, u := range network.requests() {
		if !strings.HasSuffix(u, ".pem") && !strings.Contains(u, "/v1/notifications/certs/") {
			visits = append(visits, u)
		}
	}
	const link = "GET https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:123456789012:orders&Token=2336412f37"
	if !slices.Equal(visits, []string{link}) {
		t.Errorf("visited %q, want only %q", visits, link)
	}
}

// TestCertificatesOutOfReach: while the host of the certificates can't be reached, a delivery is to come again. So is a subscription whose
// link can't be.
func TestCertificatesOutOfReach(t *testing.T) {
	sources, text := certifiedSources(t)
	link := &documents{of: map[string]string{}}
	for _, s := range sources {
		for u, document := range s.GetPublishedKeys() {
			if !strings.Contains(u, "ConfirmSubscription") {
				link.of[u] = document
			}
		}
	}
	for _, tc := range []struct {
		name    string
		network *documents
		lost    func(certifiedSource) bool
		want    int
	}{
		{"the certificates", &documents{}, func(s certifiedSource) bool { return len(s.GetEvents()) > 0 || s.GetRefused() == "KEY_UNAVAILABLE" }, 6},
		{"the link", link, func(s certifiedSource) bool { return s.GetSettings()["confirm"] == "true" }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at, client := openCertified(t, text, tc.network)
			tried := 0
			for _, s := range sources {
				if !tc.lost(s) {
					continue
				}
				tried++
				if status, text := s.deliver(t, at); status != http.StatusServiceUnavailable || !strings.Contains(text, "KEY_UNAVAILABLE") {
					t.Errorf("%s, %s: answered %d %s, want 503 KEY_UNAVAILABLE", s.provider, s.GetName(), status, text)
				}
			}
			if page, err := client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{}); err != nil || len(page.GetEvents()) > 0 {
				t.Errorf("%d events are stored (%v), want none", len(page.GetEvents()), err)
			}
			if tried != tc.want || len(tc.network.requests()) == 0 {
				t.Errorf("%d deliveries, want %d; asked for %q", tried, tc.want, tc.network.requests())
			}
		})
	}
}
