package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/tidwall/gjson"

	"github.com/hookbridge/hookbridge/server/publickey"
)

const (
	// maxTokenHeader and maxToken bound a JSON Web Signature. A body that is one may be as large as bodies may.
	maxTokenHeader = 8 << 10
	maxToken       = 64 << 10
	// leeway is how far exp and nbf may be off.
	leeway = time.Minute
)

// Token is a JSON Web Signature in compact form (RFC 7515), taken apart and not yet verified. Nothing in its header is followed: jku, x5u,
// jwk and x5c don't count.
type Token struct {
	// Algorithm and KeyID are what the header says; KeyID may be empty.
	Algorithm, KeyID string
	// header and payload are JSON, and whatever was signed. The payload of a detached one is absent.
	header, payload []byte
	parsed          *jose.JSONWebSignature
}

// Form is how a token carries its payload.
type Form uint8

// The forms of hookbridge.provider.v1.Jws.
const (
	Compact Form = iota
	Detached
	DetachedUnencoded
)

// ParseToken takes a token apart. It takes only what one writer would have written: canonical base64url without padding, a header without a
// member twice, of the algorithms one that is wanted, and no critical extension but b64 in the form that has it. detached is the payload of a
// detached one. The error is ErrMalformed.
func ParseToken(text string, form Form, detached []byte, algorithms []string) (*Token, error) {
	t, err := parseToken(text, form, detached, algorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return t, nil
}

func parseToken(text string, form Form, detached []byte, algorithms []string) (*Token, error) {
	parts := strings.SplitN(text, ".", 4)
	switch {
	case len(parts) != 3:
		return nil, errors.New("want a JSON Web Signature of three parts")
	case len(parts[0]) > maxTokenHeader:
		return nil, fmt.Errorf("the token's header is longer than %d bytes", maxTokenHeader)
	case form != Compact && parts[1] != "":
		return nil, errors.New("want a JSON Web Signature without a payload")
	case form == Compact && parts[1] == "":
		return nil, errors.New("want a JSON Web Signature with a payload")
	}
	strict := base64.RawURLEncoding.Strict()
	t := &Token{}
	var err error
	if t.header, err = strict.DecodeString(parts[0]); err != nil {
		return nil, errors.New("the token's header is no base64url")
	}
	if t.payload, err = strict.DecodeString(parts[1]); err != nil {
		return nil, errors.New("the token's payload is no base64url")
	}
	if signature, err := strict.DecodeString(parts[2]); err != nil || len(signature) == 0 {
		return nil, errors.New("the token's signature is no base64url")
	}
	if strings.ContainsAny(text, "\r\n") { // which base64 passes over
		return nil, errors.New("the token has more than one line")
	}
	if err := t.readHeader(form, algorithms); err != nil {
		return nil, err
	}
	wanted := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.Algorithm)}
	if form == Compact {
		t.parsed, err = jose.ParseSignedCompact(text, wanted)
	} else {
		// nil would stand for no payload.
		t.parsed, err = jose.ParseDetached(text, append(make([]byte, 0, len(detached)), detached...), wanted)
	}
	if err != nil {
		return nil, errors.New("the token's header can't be read")
	}
	return t, nil
}

// readHeader checks what the library leaves to its callers.
func (t *Token) readHeader(form Form, algorithms []string) error {
	if err := unambiguous(t.header, 8); err != nil {
		return fmt.Errorf("the token's header %w", err)
	}
	var h struct {
		Algorithm string   `json:"alg"`
		KeyID     string   `json:"kid"`
		Critical  []string `json:"crit"`
		Encoded   *bool    `json:"b64"`
	}
	if err := json.Unmarshal(t.header, &h); err != nil {
		return errors.New("the token's header is no JSON object of the usual members")
	}
	encoded := h.Encoded == nil || *h.Encoded
	switch {
	case !slices.Contains(algorithms, h.Algorithm):
		return fmt.Errorf("want a token with the algorithm %s", strings.Join(algorithms, " or "))
	case slices.ContainsFunc(h.Critical, func(name string) bool { return name != "b64" }):
		return errors.New("the token has a critical extension that is not known")
	case h.Encoded != nil && !slices.Contains(h.Critical, "b64"):
		return errors.New("the token's b64 is not critical")
	case form == DetachedUnencoded && encoded:
		return errors.New("want a token whose payload is not encoded (b64: false)")
	case form != DetachedUnencoded && !encoded:
		return errors.New("want a token whose payload is encoded")
	}
	t.Algorithm, t.KeyID = h.Algorithm, h.KeyID
	return nil
}

// Public reports whether a public key made the token.
func (t *Token) Public(key publickey.Key) bool {
	return key.Fits(t.Algorithm) && t.matches(key.Public)
}

// Shared reports whether a shared secret made the token.
func (t *Token) Shared(secret []byte) bool {
	return strings.HasPrefix(t.Algorithm, "HS") && len(secret) > 0 && t.matches(padded(secret, t.Algorithm))
}

func (t *Token) matches(key any) bool {
	_, err := t.parsed.Verify(key)
	return err == nil
}

// padded makes a short secret as long as the library wants one: HMAC fills a key with zeros anyway, to a length that is larger.
func padded(secret []byte, algorithm string) []byte {
	least := map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[algorithm]
	if len(secret) >= least {
		return secret
	}
	return append(make([]byte, 0, least), secret...)[:least]
}

// NewToken signs a payload with a shared secret. It is for tests of one's own set-up.
func NewToken(algorithm string, payload, secret []byte) (string, error) {
	j := &jws{scheme: &Scheme{}, algorithms: []string{algorithm}}
	return j.token(payload, &Key{raw: secret}, nil)
}

// Claim returns the value of a payload's member as its text; ok is false where it is absent or no string, number or boolean.
func (t *Token) Claim(path string) (text string, ok bool) {
	p, err := jsonPlace(path)
	if err != nil {
		return "", false
	}
	return scalar(gjson.GetBytes(t.payload, p.path))
}

// Instant returns a member of the payload that is a time in seconds since 1970.
func (t *Token) Instant(name string) (at time.Time, ok bool) {
	return numericDate(gjson.GetBytes(t.payload, name))
}

func scalar(r gjson.Result) (string, bool) {
	switch r.Type {
	case gjson.String:
		return r.Str, r.Str != ""
	case gjson.Number, gjson.True, gjson.False:
		return r.Raw, true
	}
	return "", false
}

// Timely checks exp and nbf, where the payload has them. Errors: ErrStale, in which there is an AfterProof, and ErrMalformed. It is for tokens that
// are proven.
func (t *Token) Timely(now time.Time) error {
	for _, name := range []string{"exp", "nbf"} {
		value := gjson.GetBytes(t.payload, name)
		if !value.Exists() {
			continue
		}
		at, ok := numericDate(value)
		switch {
		case !ok:
			return fmt.Errorf("%w: the claim %s is no time", ErrMalformed, name)
		case name == "exp" && now.Sub(at) >= leeway:
			return &AfterProof{What: "the claim exp", At: at, cause: fmt.Errorf("%w: the token expired %v ago", ErrStale, now.Sub(at).Round(time.Second))}
		case name == "nbf" && at.Sub(now) > leeway:
			return &AfterProof{What: "the claim nbf", At: at, cause: fmt.Errorf("%w: the token is not valid for another %v", ErrStale, at.Sub(now).Round(time.Second))}
		}
	}
	return nil
}

// numericDate is RFC 7519's: seconds since 1970, perhaps with a fraction, which is cut off.
func numericDate(value gjson.Result) (time.Time, bool) {
	if value.Type != gjson.Number {
		return time.Time{}, false
	}
	whole, _, _ := strings.Cut(value.Raw, ".")
	return seconds.Parse(whole)
}

// Payload returns what a JSON Web Signature in compact form carries, without any check of its signature: it is for the body of a delivery that
// was verified. ok is false where it is none.
func Payload(compact []byte) (payload []byte, ok bool) {
	_, rest, _ := bytes.Cut(compact, []byte("."))
	encoded, made, found := bytes.Cut(rest, []byte("."))
	if !found || len(encoded) == 0 || bytes.ContainsRune(made, '.') {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encoded)
	return payload, err == nil
}
