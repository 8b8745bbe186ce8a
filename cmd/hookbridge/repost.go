package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// reposter posts stored events to an application as their provider did: the same bytes, and the headers that were stored. Credentials
// are never stored, and signatures mostly not; with a secret it signs anew, as of now, in the provider's scheme.
type reposter struct {
	bridge    *client.Client
	target    *url.URL
	http      *http.Client
	catalogue *provider.Catalogue
	secret    string
	now       func() time.Time
}

// longestAnswer is below the longest ack deadline of a bridge.
const longestAnswer = 30 * time.Minute

// newReposter reads the secret that a reference names; none where that is empty.
func newReposter(bridge *client.Client, target, secret string, timeout time.Duration) (*reposter, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Errorf("--to: want a URL like http://localhost:3000/webhook, got %q", target)}
	}
	if timeout <= 0 || timeout > longestAnswer {
		return nil, usageError{fmt.Errorf("--timeout: want more than 0s and at most %v, got %v", longestAnswer, timeout)}
	}
	r := &reposter{bridge: bridge, target: u, now: time.Now, http: &http.Client{
		Timeout: timeout,
		// To a provider a redirect is a failure.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if secret != "" {
		read, err := config.ReadSecret(secret, nil)
		if err != nil {
			return nil, usageError{fmt.Errorf("--secret: %w", err)}
		}
		r.secret = read.Reveal()
	}
	r.catalogue, err = provider.Builtin()
	return r, err
}

// answer is what the application said.
type answer struct {
	status int
	took   time.Duration
}

func (a answer) ok() bool { return a.status/100 == 2 }

// String is how it is shown.
func (a answer) String() string { return fmt.Sprintf("%d  %dms", a.status, a.took.Milliseconds()) }

// post posts an event and returns the answer, whatever its status. An error means that there was none.
func (r *reposter) post(ctx context.Context, e *hookbridgev1.Event) (answer, error) {
	content := e.GetContent()
	if content == nil || e.GetOmission().GetBodyBytes() > 0 {
		var err error
		if content, err = r.bridge.Content(ctx, e.GetSequence()); err != nil {
			return answer{}, fmt.Errorf("read the body of event %d: %w", e.GetSequence(), err)
		}
	}
	delivery, err := r.delivery(e, content)
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, delivery.URL.String(), bytes.NewReader(delivery.Body))
	if err != nil {
		return answer{}, err
	}
	request.Header = delivery.Header
	started := r.now()
	response, err := r.http.Do(request)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return answer{}, fmt.Errorf("no answer from %s: %w", r.target.Redacted(), err)
	}
	// What it says beside the status is nobody's; a part is read so that the connection can be used again.
	const mostRead = 64 << 10
	_, _ = io.CopyN(io.Discard, response.Body, mostRead)
	_ = response.Body.Close()
	return answer{status: response.StatusCode, took: r.now().Sub(started)}, nil
}

// delivery is what was stored, and over it what a new signature needs: mostly headers.
func (r *reposter) delivery(e *hookbridgev1.Event, content *hookbridgev1.Content) (provider.Signed, error) {
	d := provider.Signed{URL: r.target, Header: http.Header{}, Body: content.GetBody()}
	for _, h := range content.GetHeaders() {
		d.Header.Add(h.GetName(), h.GetValue())
	}
	if r.secret != "" {
		pack, ok := r.catalogue.Get(e.GetProvider())
		if !ok {
			return d, fmt.Errorf("this version can't sign for the provider %q", e.GetProvider())
		}
		source, err := provider.NewSource(provider.SourceConfig{Name: e.GetSource(), Pack: pack, Secrets: []string{r.secret}, PublicURL: true})
		if err != nil {
			return d, fmt.Errorf("--secret: %w", err)
		}
		signed, err := source.Resign(r.target, content.GetContentType(), content.GetBody(), e.GetType(), e.GetId(), r.now())
		if err != nil {
			return d, fmt.Errorf("sign for %s: %w", e.GetProvider(), err)
		}
		for name, values := range signed.Header {
			d.Header[name] = values
		}
		d.URL, d.Body = signed.URL, signed.Body
	}
	if content.GetContentType() != "" {
		d.Header.Set("Content-Type", content.GetContentType())
	}
	return d, nil
}
