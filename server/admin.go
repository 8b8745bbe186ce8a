package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hookbridge/hookbridge/server/requestid"
)

// admin is the handler of the admin listener: health, metrics, the schema and the API as JSON. A browser can reach a loopback address on behalf of any
// page, so it answers only to the names that an operator would use, and not to pages of other sites.
func admin(api, content, image http.Handler, gatherer prometheus.Gatherer, ready func() error, listen string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.Handle("GET /v1/events/{sequence}/content", content)
	mux.Handle("GET /schema.binpb", image)
	mux.Handle("GET /v1/", api)
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		mux.Handle(method+" /v1/", changes(api))
	}
	return guard(mux, listen)
}

// guard refuses requests under a foreign Host (DNS rebinding) or from a foreign site.
func guard(next http.Handler, listen string) http.Handler {
	own, _, err := net.SplitHostPort(listen)
	if err != nil {
		own = listen
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" && host != own {
			writeText(w, http.StatusMisdirectedRequest, "this listener answers to localhost, an IP address or the configured host only\n")
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			writeText(w, http.StatusForbidden, "this listener doesn't answer to pages of other sites\n")
			return
		}
		id := requestid.New()
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(requestid.With(r.Context(), id)))
	})
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	// The caller may be gone; there is nobody to tell.
	_, _ = w.Write([]byte(text))
}
