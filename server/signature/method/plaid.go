package method

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
)

// plaid checks webhooks of Plaid: a JSON Web Token with the body's digest, whose key is asked of Plaid's API by its id.
// https://plaid.com/docs/api/webhooks/webhook-verification/
//
// The source's secrets are those of the API, which may be asked with any of them. The parameters are client_id, and environment, "production" or
// "sandbox".
type plaid struct {
	client string // empty: nobody has said it
	url    string
}

const (
	plaidHeader = "Plaid-Verification"
	// plaidTolerance is what the documentation says.
	plaidTolerance = 5 * time.Minute
)

var plaidKeyID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func newPlaid(spec *providerv1.Scheme) (signature.Method, error) {
	values, err := parameters(spec, "client_id", "environment")
	if err != nil {
		return nil, err
	}
	environment := values["environment"]
	switch environment {
	case "":
		environment = "production"
	case "production", "sandbox":
	default:
		return nil, fmt.Errorf("parameters: want environment production or sandbox, got %q", environment)
	}
	return &plaid{client: values["client_id"], url: "https://" + environment + ".plaid.com/webhook_verification_key/get"}, nil
}

// Traits implements signature.Method.
func (p *plaid) Traits() signature.Traits {
	return signature.Traits{Fetched: true, Body: true, Stamped: true, Tolerance: plaidTolerance}
}

// Covers implements signature.Method.
func (p *plaid) Covers(at signature.Place) bool { return at.Path() != "" }

// Verify implements signature.Method.
func (p *plaid) Verify(ctx context.Context, c signature.Check) (signature.Match, error) {
	text, err := single(c.Request.Header, plaidHeader)
	if err != nil {
		return signature.Match{}, err
	}
	t, err := signature.ParseToken(text, signature.Compact, nil, []string{"ES256"})
	if err != nil {
		return signature.Match{}, err
	}
	if !plaidKeyID.MatchString(t.KeyID) {
		return signature.Match{}, fmt.Errorf("%w: the token names no key", signature.ErrMalformed)
	}
	m := signature.Match{}
	if m.Key, err = p.maker(ctx, c, t); err != nil {
		return signature.Match{}, err
	}
	if err := t.Timely(c.Request.ReceivedAt); err != nil {
		return signature.Match{}, err
	}
	sum := sha256.Sum256(c.Request.Body)
	if claimed, _ := t.Claim("request_body_sha256"); claimed != hex.EncodeToString(sum[:]) {
		return signature.Match{}, fmt.Errorf("%w: the token is for another body", signature.ErrMismatch)
	}
	err = issued(&m, t, c)
	return m, err
}

// maker returns the position of the secret with which the token's key was fetched.
func (p *plaid) maker(ctx context.Context, c signature.Check, t *signature.Token) (int, error) {
	if p.client == "" {
		return 0, fmt.Errorf("%w: the source's client_id is not set", signature.ErrMismatch)
	}
	var failed error
	for n, secret := range c.Keys {
		body, err := json.Marshal(map[string]string{"client_id": p.client, "secret": string(secret.Secret()), "key_id": t.KeyID})
		if err != nil {
			return 0, err
		}
		keys, err := c.Fetcher.Keys(ctx, publickey.Origin{
			URL: p.url, Format: publickey.Nested, Body: body, Scope: fmt.Sprintf("plaid %s %d", p.client, n), Peer: c.Request.Peer,
		}, t.KeyID)
		switch {
		case err == nil && t.Public(keys[0]):
			return n, nil
		case err == nil:
			return 0, fmt.Errorf("%w: the token doesn't match under the provider's key", signature.ErrMismatch)
		}
		failed = errors.Join(failed, unavailable(err))
	}
	if failed == nil {
		failed = fmt.Errorf("%w: the source has no secret to ask with", signature.ErrMismatch)
	}
	return 0, failed
}
