package signature

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/publickey"
)

// Key is a secret made ready for one scheme. It prints as [redacted].
type Key struct {
	// raw is the key of a digest, or what a token or Basic credentials must be when signing.
	raw []byte
	// digest is the SHA-256 of a token: tokens are compared by it, so that the time says nothing about their length either.
	digest [sha256.Size]byte
	public crypto.PublicKey
	// published are public keys in the form that tokens are verified with.
	published []publickey.Key
	// private signs, where the key was generated.
	private crypto.Signer
	// newHash and macs (of *mac) are for what hashes. An HMAC keeps its padded key hashed, so one that is used again is cheaper
	// than a new one.
	newHash func() hash.Hash
	macs    sync.Pool
}

// mac is a hash in use, with the memory it needs.
type mac struct {
	hash      hash.Hash
	text, sum []byte
}

// Secret is the secret's bytes, for code that makes signatures of its own; nil for public keys.
func (k *Key) Secret() []byte { return k.raw }

// Format implements fmt.Formatter.
func (k *Key) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "[redacted]")
}

func (k *Key) mac() *mac {
	if m, ok := k.macs.Get().(*mac); ok {
		return m
	}
	return &mac{hash: k.newHash()}
}

// keyForm is how a secret becomes a key.
type keyForm struct {
	prefixes, excluded []string
	optional           bool
	encoding           string
	decoder            encoding
	// hashed says that the key is the SHA-1 digest of the secret.
	hashed bool
}

func newKeyForm(spec *providerv1.KeyForm) (keyForm, error) {
	f := keyForm{
		prefixes: spec.GetPrefixes(),
		excluded: spec.GetExcludedPrefixes(),
		optional: spec.GetPrefixOptional(),
		encoding: spec.GetEncoding(),
		hashed:   spec.GetDigest() == "sha1",
	}
	if f.optional && len(f.prefixes) == 0 {
		return keyForm{}, fmt.Errorf("key: prefix_optional without prefixes")
	}
	switch f.encoding {
	case "", "raw", "pem":
		return f, nil
	}
	var err error
	// Libraries read a key with any last bits, so a working secret may have been written like that: not strict.
	if f.decoder, err = newEncoding(f.encoding, false); err != nil {
		return keyForm{}, fmt.Errorf("key: %w", err)
	}
	return f, nil
}

// String says what a secret must look like.
func (f keyForm) String() string {
	var b strings.Builder
	for i, p := range f.prefixes {
		if i > 0 {
			b.WriteString(" or ")
		}
		fmt.Fprintf(&b, "%q", p)
	}
	switch {
	case f.optional:
		b.WriteString(" (or nothing) and ")
	case len(f.prefixes) > 0:
		b.WriteString(" and ")
	}
	switch f.encoding {
	case "", "raw":
		b.WriteString("a text")
	case "pem":
		b.WriteString("a PEM block")
	default:
		b.WriteString(f.encoding)
	}
	for _, p := range f.excluded {
		fmt.Fprintf(&b, ", not beginning with %q", p)
	}
	return b.String()
}

// bytes returns the bytes of the key; ok is false where the secret doesn't have the form.
func (f keyForm) bytes(secret string) (data []byte, ok bool) {
	if data, ok = f.decode(secret); ok && f.hashed {
		sum := sha1.Sum(data)
		data = sum[:]
	}
	return data, ok
}

func (f keyForm) decode(secret string) (data []byte, ok bool) {
	if slices.ContainsFunc(f.excluded, func(p string) bool { return strings.HasPrefix(secret, p) }) {
		return nil, false
	}
	if i := slices.IndexFunc(f.prefixes, func(p string) bool { return strings.HasPrefix(secret, p) }); i >= 0 {
		secret = secret[len(f.prefixes[i]):]
	} else if len(f.prefixes) > 0 && !f.optional {
		return nil, false
	}
	switch f.encoding {
	case "", "raw":
		return []byte(secret), secret != ""
	case "pem":
		block, rest := pem.Decode([]byte(secret))
		if block == nil || strings.TrimSpace(string(rest)) != "" {
			return nil, false
		}
		return block.Bytes, true
	}
	data, _, ok = f.decoder.decode(nil, nil, secret)
	return data, ok && len(data) > 0
}

// KeyBytes returns the bytes of the key that a secret is, for what a handshake computes with it; nil where the secret doesn't have the
// form.
func (s *Scheme) KeyBytes(secret string) []byte {
	data, ok := s.key.bytes(secret)
	if !ok {
		return nil
	}
	return data
}

// Key makes a secret ready. Its error is ErrKey; the text says what form is wanted and nothing of the secret.
func (s *Scheme) Key(secret string) (*Key, error) {
	if j, ok := s.method.(*jws); ok {
		if k, err := j.readPublic(secret); k != nil || err != nil {
			return k, err
		}
	}
	if s.algorithm.family == codes && s.Keyless() {
		return nil, fmt.Errorf("%w: %s takes none, the provider publishes its keys", ErrKey, s.name)
	}
	if s.key.encoding != "pem" && strings.TrimSpace(secret) != secret {
		return nil, fmt.Errorf("%w: there is white space around it", ErrKey)
	}
	data, ok := s.key.bytes(secret)
	if !ok {
		return nil, fmt.Errorf("%w: want %s", ErrKey, s.key)
	}
	return s.keyOf(data)
}

// keyOf makes the bytes of a key ready.
func (s *Scheme) keyOf(data []byte) (*Key, error) {
	k := &Key{}
	switch s.algorithm.family {
	case hmacs:
		k.newHash = func() hash.Hash { return hmac.New(s.algorithm.hash, data) }
	case digests:
		k.raw, k.newHash = data, s.algorithm.hash
	case publicKeys:
		public, err := s.algorithm.parse(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w, as %s", ErrKey, err, s.key)
		}
		k.public = public
	case basics:
		// A name may be empty, and so may a password; without both anybody has the secret.
		if string(data) == ":" || !strings.Contains(string(data), ":") {
			return nil, fmt.Errorf("%w: want user:password", ErrKey)
		}
		k.raw, k.digest = data, sha256.Sum256(data)
	case tokens:
		k.raw, k.digest = data, sha256.Sum256(data)
	case tokensOfJOSE, codes:
		k.raw = data
	}
	return k, nil
}
