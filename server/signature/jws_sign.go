package signature

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Wraps reports whether the signature is the body: what is delivered is then what Wrap makes of the document.
func (s *Scheme) Wraps() bool {
	j, ok := s.method.(*jws)
	return ok && j.whole
}

// Wrap returns the body in which a document is delivered by a scheme that Wraps. The document is not changed: what the claims have to be must be
// in it. ErrCannotSign as for Sign.
func (s *Scheme) Wrap(document []byte, key *Key) ([]byte, error) {
	j, ok := s.method.(*jws)
	if !ok || !j.whole {
		return nil, fmt.Errorf("%w: the body is sent as it is", ErrCannotSign)
	}
	text, err := j.token(document, key, nil)
	return []byte(text), err
}

// Sign implements Signer. Beside what the scheme demands the token has iat, exp and, where there is an id, jti.
func (j *jws) Sign(r *delivery.Request, key *Key, id string, at time.Time) (http.Header, error) {
	place := j.scheme.places[0]
	if place.at.kind != inHeader {
		return nil, fmt.Errorf("%w: the signature is in %s", ErrCannotSign, place.at)
	}
	headers := map[string]any{}
	payload := r.Body
	if stamp := j.scheme.stamp; stamp != nil && stamp.at[0].kind == inJWSHeader {
		headers[stamp.at[0].name] = number(stamp.unit.Format(at))
	}
	if j.form == Compact {
		var err error
		if payload, err = j.payload(r, id, at); err != nil {
			return nil, err
		}
	}
	text, err := j.token(payload, key, headers)
	if err != nil {
		return nil, err
	}
	return http.Header{place.at.name: {place.prefix + text}}, nil
}

// payload makes the claims.
func (j *jws) payload(r *delivery.Request, id string, at time.Time) ([]byte, error) {
	claims := map[string]any{"iat": at.Unix(), "exp": at.Add(life).Unix()}
	if id != "" {
		claims["jti"] = id
	}
	for _, p := range j.scheme.id {
		if p.kind == inClaim {
			put(claims, p.name, id)
			break
		}
	}
	if stamp := j.scheme.stamp; stamp != nil && stamp.at[0].kind == inClaim {
		put(claims, stamp.at[0].name, number(stamp.unit.Format(at)))
	}
	for _, c := range j.claims {
		if len(c.equals) == 0 {
			continue
		}
		want, err := c.want(r)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCannotSign, err)
		}
		put(claims, c.name, want)
	}
	return json.Marshal(claims)
}

// number is a time as JSON has it: a number where it is written as one.
func number(text string) any {
	if _, err := decimal(text); err == nil {
		return json.Number(text)
	}
	return text
}

// put sets a member by its path.
func put(object map[string]any, path string, value any) {
	keys := strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".")
	for n, key := range keys {
		key = strings.ReplaceAll(strings.ReplaceAll(key, "\x00", "."), `\\`, `\`)
		if n == len(keys)-1 {
			object[key] = value
			return
		}
		inner, ok := object[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[key] = inner
		}
		object = inner
	}
}

// token signs a payload.
func (j *jws) token(payload []byte, key *Key, headers map[string]any) (string, error) {
	with := jose.SigningKey{}
	algorithm, ok := "", false
	switch {
	case key.private != nil:
		algorithm, ok = j.public(key.private.Public())
		with.Key = key.private
	case key.raw != nil:
		algorithm, ok = j.shared()
		with.Key = padded(key.raw, algorithm)
	}
	if !ok {
		return "", fmt.Errorf("%w: %s needs the private key, and the secret is the public one", ErrCannotSign, j.scheme.name)
	}
	with.Algorithm = jose.SignatureAlgorithm(algorithm)
	options := (&jose.SignerOptions{}).WithType("JWT")
	if j.form == DetachedUnencoded {
		options = options.WithBase64(false)
	}
	for name, value := range headers {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(with, options)
	if err != nil {
		return "", errors.Join(ErrCannotSign, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", errors.Join(ErrCannotSign, err)
	}
	if j.form == Compact {
		return signed.CompactSerialize()
	}
	return signed.DetachedCompactSerialize()
}
