package edge

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// What a forged delivery costs the edge: what a flood of them can do hangs on it.
func BenchmarkForged(b *testing.B) {
	catalogue, err := provider.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	pack, _ := catalogue.Get("github")
	source, err := provider.NewSource(provider.SourceConfig{Name: "demo", Pack: pack, Secrets: []string{secret}})
	if err != nil {
		b.Fatal(err)
	}
	h, err := New(Config{
		MaxInFlight: 64 << 20, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Next:    func(context.Context, http.ResponseWriter, *delivery.Delivery) error { return nil },
		Refused: func(*delivery.Refusal) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	h.SetSources([]*Endpoint{{Source: source}})
	body := bytes.Repeat([]byte("x"), 1024)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			b.Fatal(w.Code)
		}
	}
}
