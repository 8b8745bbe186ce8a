package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

// computed is a value that proves that the endpoint has the secret.
type computed struct {
	name    string
	hash    func() hash.Hash
	keyed   bool
	encode  func([]byte) string
	content []segment
}

func newComputed(spec *providerv1.Computed, known scope) (computed, error) {
	c := computed{name: spec.GetName()}
	switch spec.GetAlgorithm() {
	case "hmac-sha1":
		c.hash, c.keyed = sha1.New, true
	case "hmac-sha256":
		c.hash, c.keyed = sha256.New, true
	case "hmac-sha512":
		c.hash, c.keyed = sha512.New, true
	case "sha256":
		c.hash = sha256.New
	default:
		return c, fmt.Errorf("algorithm: unknown %q", spec.GetAlgorithm())
	}
	switch spec.GetEncoding() {
	case "hex":
		c.encode = hex.EncodeToString
	case "base64":
		c.encode = base64.StdEncoding.EncodeToString
	case "base64url":
		c.encode = base64.URLEncoding.EncodeToString
	default:
		return c, fmt.Errorf("encoding: unknown %q", spec.GetEncoding())
	}
	var err error
	if c.content, err = newSegments(spec.GetContent(), known); err != nil {
		return c, fmt.Errorf("content: %w", err)
	}
	return c, nil
}

// compute returns the value, with the first key of the source's first scheme.
func (c computed) compute(f filling) (string, error) {
	content, err := f.render(c.content, verbatim)
	if err != nil {
		return "", err
	}
	h := c.hash
	if c.keyed {
		if len(f.source.proofKey) == 0 {
			return "", fmt.Errorf("%w: the source has no secret to prove", ErrHandshakeRefused)
		}
		m := hmac.New(h, f.source.proofKey)
		m.Write([]byte(content))
		return c.encode(m.Sum(nil)), nil
	}
	m := h()
	m.Write([]byte(content))
	return c.encode(m.Sum(nil)), nil
}
