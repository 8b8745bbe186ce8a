package keysource

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
)

const (
	maxAnswer    = 1 << 20
	fetchTimeout = 8 * time.Second
	minLife      = 5 * time.Minute
	maxLife      = 24 * time.Hour
	// usualLife is for answers without Cache-Control.
	usualLife = time.Hour
)

var (
	errStatus   = errors.New("unexpected status")
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
)

func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		dialer := &net.Dialer{Timeout: 5 * time.Second, Control: publicOnly}
		transport = &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  fetchTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
			// Fetches are rare.
			DisableKeepAlives: true,
		}
	}
	return &http.Client{
		Transport: transport,
		// A redirect is an answer like any other that isn't 200.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch asks an origin, and says for how long its answer may be kept.
func (s *Store) fetch(o publickey.Origin) (keys []publickey.Key, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	defer cancel()
	defer func() { s.count(o.URL, err) }()
	data, header, err := s.ask(ctx, o.URL, o.Body)
	if err != nil {
		return nil, 0, err
	}
	keys, err = publickey.Parse(o.Format, data)
	return keys, lifeOf(header), err
}

// Visit asks for a URL and passes over what it answers, which must be 200: some providers want that of whoever they are to send to. The URL must
// be one that the provider signed, on a host that the method allows.
func (s *Store) Visit(ctx context.Context, target string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	defer func() { s.count(target, err) }()
	if _, _, err = s.ask(ctx, target, nil); err != nil {
		err = fmt.Errorf("%w: %s: %w", publickey.ErrUnavailable, host(target), err)
	}
	return err
}

// ask makes one request. Its errors have no URL in them: a part of it may be the delivery's, and the body a credential.
func (s *Store) ask(ctx context.Context, target string, body []byte) ([]byte, http.Header, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, nil, errors.New("want an https URL")
	}
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if body != nil {
		method, content = http.MethodPost, bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, nil, errors.New("want an https URL")
	}
	r.Header.Set("User-Agent", "hookbridge")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%w %d, want 200", errStatus, answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxAnswer {
		return nil, nil, errTooLarge
	}
	return data, answer.Header, nil
}

// lifeOf is how long an answer may be kept by its Cache-Control, within bounds.
func lifeOf(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return minLife
		case "max-age":
			if seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil && seconds >= 0 {
				return min(max(time.Duration(seconds)*time.Second, minLife), maxLife)
			}
		}
	}
	return usualLife
}

func (s *Store) count(target string, err error) {
	s.fetches.WithLabelValues(host(target), outcome(err)).Inc()
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errStatus):
		return "status"
	case errors.Is(err, errTooLarge):
		return "too_large"
	case errors.Is(err, publickey.ErrUnfit):
		return "unfit"
	case errors.Is(err, errNotPublic):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}

// host is what may be named in errors, logs and metrics.
func host(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return u.Host
}
