package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// bench has a service with the sources "brings" (its handshake brings the secret), "configured" (it could, and doesn't), "plain" (the
// provider's handshakes bring none) and "had" (it has been brought one).
type bench struct {
	*Service
	kept    map[string]string
	failure error
	log     bytes.Buffer
}

func open(t *testing.T) *bench {
	t.Helper()
	parse := func(rest string) *provider.Pack {
		pack, err := provider.Parse("p.yaml", []byte(`
key: p
name: P
docs_url: https://example.com/
schemes: [{name: signature, algorithm: hmac-sha256, signature: [{header: X-Signature}], encoding: hex, content: "{body}"}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made for this test]
`+rest))
		if err != nil {
			t.Fatal(err)
		}
		return pack
	}
	bringing := parse(`handshakes: [{method: POST, when: [{header: X-Hook-Secret}], captures: {header: X-Hook-Secret}, respond: {}}]`)
	b := &bench{kept: map[string]string{}}
	var sources []Configured
	for _, cfg := range []provider.SourceConfig{
		{Name: "plain", Pack: parse(""), Secrets: []string{"a", "b"}},
		{Name: "brings", Pack: bringing, Captured: true},
		{Name: "configured", Pack: bringing, Secrets: []string{"a"}},
		{Name: "had", Pack: bringing, Captured: true, Secrets: []string{"a"}},
	} {
		s, err := provider.NewSource(cfg)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Configured{Source: s, Captured: cfg.Name == "had"})
	}
	b.Service = New(Config{
		Sources: func() []Configured { return sources },
		Keep: func(source, secret string) error {
			if b.failure == nil {
				b.kept[source] = secret
			}
			return b.failure
		},
		Kept:      func(source, secret string) bool { return b.kept[source] == secret },
		Principal: func(context.Context) string { return "ops" },
		Logger:    slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	return b
}

func (b *bench) window(t *testing.T, source string, d time.Duration) {
	t.Helper()
	if _, err := b.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: source, Window: durationpb.New(d)}); err != nil {
		t.Fatal(err)
	}
}

// A secret is kept within a window, once, and the log says from where it came and not what it is.
func TestCapture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		capture := func() string { return fault.Reason(b.Capture(t.Context(), "brings", "hunter2", "192.0.2.1")) }
		if got := capture(); got != "HANDSHAKE_REFUSED" {
			t.Errorf("without a window: %s", got)
		}
		b.window(t, "brings", time.Minute)
		time.Sleep(time.Minute)
		if got := capture(); got != "HANDSHAKE_REFUSED" || len(b.kept) != 0 {
			t.Errorf("when it is over: %s, %v", got, b.kept)
		}
		b.window(t, "brings", time.Minute)
		time.Sleep(time.Minute - 1)
		b.failure = errors.New("disk")
		if got := capture(); got != "INTERNAL" {
			t.Errorf("a failure: %s", got)
		}
		b.failure = nil
		if err := b.Capture(t.Context(), "brings", "hunter2", "192.0.2.1"); err != nil || b.kept["brings"] != "hunter2" {
			t.Errorf("got %v, %v", b.kept, err)
		}
		if err := b.Capture(t.Context(), "brings", "hunter2", "192.0.2.1"); err != nil {
			t.Errorf("the same again: %v", err)
		}
		b.kept = map[string]string{}
		if got := capture(); got != "HANDSHAKE_REFUSED" || len(b.kept) != 0 {
			t.Errorf("another one, after it: %s, %v", got, b.kept)
		}
		log := b.log.String()
		if !strings.Contains(log, `msg="the secret of a source was captured" source=brings peer=192.0.2.1`) || !strings.Contains(log, "principal=ops") || strings.Contains(log, "hunter2") {
			t.Errorf("the log has %s", log)
		}
	})
}

// Of handshakes at once one brings the secret.
func TestCaptureOnce(t *testing.T) {
	b := open(t)
	b.window(t, "brings", time.Minute)
	results := make(chan error, 16)
	var work sync.WaitGroup
	for n := range cap(results) {
		work.Go(func() { results <- b.Capture(t.Context(), "brings", fmt.Sprint("x", n), "192.0.2.1") })
	}
	work.Wait()
	close(results)
	taken := 0
	for err := range results {
		if err == nil {
			taken++
		} else if !errors.Is(err, fault.ErrHandshakeForbidden) {
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("%d were taken", taken)
	}
}

// For which sources no window is opened, and why.
func TestOpenCapture(t *testing.T) {
	for source, want := range map[string]string{
		"other":      "UNKNOWN_SOURCE no such source",
		"plain":      `CAPTURE_UNAVAILABLE capture unavailable: source "plain": no handshake of p brings a secret`,
		"configured": "CAPTURE_UNAVAILABLE capture unavailable: source \"configured\": its secrets are configured; with `secrets: [captured]` a handshake may bring one",
		"had":        `CAPTURE_UNAVAILABLE capture unavailable: source "had": it has a captured secret, which is never replaced; remove its file first`,
	} {
		b := open(t)
		_, err := b.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: source})
		if err == nil || fault.Reason(err)+" "+err.Error() != want {
			t.Errorf("%s: got %v, want %s", source, err, want)
		}
		if err := b.Capture(t.Context(), source, "x", "192.0.2.1"); !errors.Is(err, fault.ErrHandshakeForbidden) {
			t.Errorf("%s: a window was opened: %v", source, err)
		}
	}
}

// The list says what a source has, and until when a window is open.
func TestListSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		opened, err := b.OpenCapture(t.Context(), &hookbridgev1.OpenCaptureRequest{Source: "brings"})
		if err != nil {
			t.Fatal(err)
		}
		if want := timestamppb.New(time.Now().Add(10 * time.Minute)); opened.GetUntil().AsTime() != want.AsTime() {
			t.Errorf("open until %v, want %v", opened.GetUntil().AsTime(), want.AsTime())
		}
		want := &hookbridgev1.ListSourcesResponse{Sources: []*hookbridgev1.Source{
			{Name: "brings", Provider: "p", CaptureUntil: opened.GetUntil()},
			{Name: "configured", Provider: "p", Schemes: []string{"signature"}, Secrets: 1},
			{Name: "had", Provider: "p", Schemes: []string{"signature"}, Secrets: 1},
			{Name: "plain", Provider: "p", Schemes: []string{"signature"}, Secrets: 2},
		}}
		list := func() *hookbridgev1.ListSourcesResponse {
			got, err := b.ListSources(t.Context(), &hookbridgev1.ListSourcesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if diff := cmp.Diff(want, list(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		time.Sleep(10 * time.Minute)
		want.Sources[0].CaptureUntil = nil
		if diff := cmp.Diff(want, list(), protocmp.Transform()); diff != "" {
			t.Errorf("later (-want +got)\n%s", diff)
		}
	})
}

// log is a log of refusals with one entry.
type log struct{}

func (log) List(context.Context, *hookbridgev1.ListRejectionsRequest) (*hookbridgev1.ListRejectionsResponse, error) {
	return &hookbridgev1.ListRejectionsResponse{NextPageToken: "next"}, nil
}

func (log) Follow(*hookbridgev1.FollowRejectionsRequest, grpc.ServerStreamingServer[hookbridgev1.FollowRejectionsResponse]) error {
	return errors.New("followed")
}

// What is about refusals is asked of their log, where there is one.
func TestRejections(t *testing.T) {
	with, without := New(Config{Rejections: log{}}), New(Config{})
	if got, err := with.ListRejections(t.Context(), nil); err != nil || got.GetNextPageToken() != "next" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := with.FollowRejections(nil, nil); err == nil || err.Error() != "followed" {
		t.Errorf("got %v", err)
	}
	if _, err := without.ListRejections(t.Context(), nil); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
	if err := without.FollowRejections(nil, nil); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
}
