package method

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// contentful checks requests of Contentful: an HMAC over method, path with query, body, and headers that the delivery itself lists.
// https://www.contentful.com/developers/docs/webhooks/request-verification/
//
// The list must have itself and the timestamp in it. What else it has differs, so no other header counts as covered.
type contentful struct{}

const (
	contentfulSignature = "X-Contentful-Signature"
	contentfulSigned    = "X-Contentful-Signed-Headers"
	contentfulTimestamp = "X-Contentful-Timestamp"
	// contentfulTolerance is what the documentation says.
	contentfulTolerance = 30 * time.Second
	maxSignedHeaders    = 64
)

func newContentful(spec *providerv1.Scheme) (signature.Method, error) {
	_, err := parameters(spec)
	return contentful{}, err
}

// Traits implements signature.Method.
func (contentful) Traits() signature.Traits {
	return signature.Traits{Body: true, URL: true, Stamped: true, Tolerance: contentfulTolerance}
}

// Covers implements signature.Method.
func (contentful) Covers(p signature.Place) bool {
	return p.Path() != "" || p.InQuery() || p.Header() == contentfulTimestamp || p.Header() == contentfulSigned
}

// Verify implements signature.Method.
func (contentful) Verify(_ context.Context, c signature.Check) (signature.Match, error) {
	text, err := single(c.Request.Header, contentfulSignature)
	if err != nil {
		return signature.Match{}, err
	}
	signed, err := hex.DecodeString(text)
	if err != nil || len(signed) != sha256.Size {
		return signature.Match{}, fmt.Errorf("%w: want header %s in hex", signature.ErrMalformed, contentfulSignature)
	}
	content, err := contentfulContent(c.Request)
	if err != nil {
		return signature.Match{}, err
	}
	m := signature.Match{Key: slices.IndexFunc(c.Keys, func(k *signature.Key) bool { return hmac.Equal(contentfulSum(content, k), signed) })}
	if m.Key < 0 {
		return signature.Match{}, fmt.Errorf("%w: header %s matches under none of the secrets (%d)", signature.ErrMismatch, contentfulSignature, len(c.Keys))
	}
	unit, err := signature.ParseUnit("ms")
	if err != nil {
		return signature.Match{}, err
	}
	var ok bool
	if m.Time, ok = unit.Parse(c.Request.Header.Get(contentfulTimestamp)); !ok {
		return signature.Match{}, fmt.Errorf("%w: the timestamp can't be read", signature.ErrMalformed)
	}
	if c.Tolerance > 0 {
		m.TimeCovered = true
		err = signature.Fresh(m.Time, c.Request.ReceivedAt, c.Tolerance)
	}
	return m, err
}

// Sign implements signature.Signer. It signs the topic too, where there is one.
func (contentful) Sign(r *delivery.Request, key *signature.Key, _ string, at time.Time) (http.Header, error) {
	headers := http.Header{}
	names := []string{strings.ToLower(contentfulSigned), strings.ToLower(contentfulTimestamp)}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Contentful-") && len(values) == 1 {
			headers[name] = values
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	headers.Set(contentfulSigned, strings.Join(slices.Compact(names), ","))
	headers.Set(contentfulTimestamp, fmt.Sprint(at.UnixMilli()))
	own := *r
	own.Header = headers
	content, err := contentfulContent(&own)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", signature.ErrCannotSign, err)
	}
	headers.Set(contentfulSignature, hex.EncodeToString(contentfulSum(content, key)))
	return headers, nil
}

func contentfulSum(content []byte, key *signature.Key) []byte {
	mac := hmac.New(sha256.New, key.Secret())
	mac.Write(content)
	return mac.Sum(nil)
}

// contentfulContent is what is signed.
func contentfulContent(r *delivery.Request) ([]byte, error) {
	list, err := single(r.Header, contentfulSigned)
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.ToLower(list), ",")
	slices.Sort(names)
	for _, must := range []string{contentfulSigned, contentfulTimestamp} {
		if !slices.Contains(names, strings.ToLower(must)) {
			return nil, fmt.Errorf("%w: want header %s to list %s", signature.ErrMalformed, contentfulSigned, must)
		}
	}
	if len(names) > maxSignedHeaders || len(slices.Compact(slices.Clone(names))) != len(names) {
		return nil, fmt.Errorf("%w: want header %s to list at most %d headers, each once", signature.ErrMalformed, contentfulSigned, maxSignedHeaders)
	}
	pairs := make([]string, len(names))
	for n, name := range names {
		value, err := single(r.Header, http.CanonicalHeaderKey(name))
		if err != nil {
			return nil, err
		}
		pairs[n] = name + ":" + strings.TrimSpace(value)
	}
	u := r.URL
	if u == nil {
		u = &url.URL{}
	}
	content := []byte(r.Method + "\n" + u.RequestURI() + "\n" + strings.Join(pairs, ";") + "\n")
	return append(content, r.Body...), nil
}
