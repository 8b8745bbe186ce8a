package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// admin is the handler of the admin listener: health, metrics, the schema and the API as JSON. Where callers have to authenticate, health is all that
// is open. A browser can reach a loopback address on behalf of any page, so it answers only to the names that an operator would use, and
// not to pages of other sites.
func admin(api, content, image http.Handler, gatherer prometheus.Gatherer, who *auth.Authenticator, ready func() error, cfg config.Listener) http.Handler {
	known := http.NewServeMux()
	known.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	known.Handle("GET /v1/events/{sequence}/content", content)
	known.Handle("GET /schema.binpb", image)
	known.Handle("GET /v1/", api)
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		known.Handle(method+" /v1/", changes(api))
	}

	mux := http.NewServeMux()
	// Everything that is not named here needs a principal, whatever it is.
	mux.Handle("/", authenticated(known, who))
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
	return guard(mux, cfg)
}

// authenticated lets pass who is known here. What each of them may see the handlers ask of the context.
func authenticated(next http.Handler, who *auth.Authenticator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := who.Request(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fault.WriteHTTP(w, err, requestid.From(r.Context()), 0)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// guard refuses requests under a foreign Host (DNS rebinding) or from a foreign site. With TLS any Host will do: a browser that was
// sent here under another name refuses the certificate.
func guard(next http.Handler, cfg config.Listener) http.Handler {
	own, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		own = cfg.Listen
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && cfg.TLS == nil && host != "localhost" && host != own {
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
