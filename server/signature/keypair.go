package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
)

// GenerateKey makes a pair of keys for a scheme whose secret is a public key: secret is that one as a source is configured with it, and key signs as
// only the provider can otherwise. It is for tests of one's own set-up. ErrCannotSign for schemes of other kinds.
func (s *Scheme) GenerateKey() (secret string, key *Key, err error) {
	private, err := s.NewPrivateKey()
	if err != nil {
		return "", nil, err
	}
	return s.Pair(private)
}

// NewPrivateKey makes a private key of the kind that the scheme's public keys are of; where it takes several kinds, of the first. ErrCannotSign for
// schemes that no pair proves, ErrKeysFetched for those that take none but the provider's.
func (s *Scheme) NewPrivateKey() (crypto.Signer, error) {
	name, err := s.pairOf()
	if err != nil {
		return nil, err
	}
	switch name {
	case "ed25519", "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case "ecdsa-p256-sha256", "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa-sha256", "rsa-sha512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("%w: %s has no pair of keys", ErrCannotSign, name)
}

// Pair makes a private key ready: secret is its public half as a source is configured with it, and key signs. Errors are those of NewPrivateKey, and
// ErrKey for a key of another kind than the scheme's.
func (s *Scheme) Pair(private crypto.Signer) (secret string, key *Key, err error) {
	if _, err := s.pairOf(); err != nil {
		return "", nil, err
	}
	if secret, err = s.publicText(private.Public()); err != nil {
		return "", nil, err
	}
	if key, err = s.Key(secret); err != nil {
		return "", nil, err
	}
	key.private = private
	return secret, key, nil
}

// SignsWithSecret reports whether a secret that verifies also signs: it is shared, and the bridge knows how to use it.
func (s *Scheme) SignsWithSecret() bool {
	switch j, ok := s.method.(*jws); {
	case ok:
		return slices.ContainsFunc(j.algorithms, isShared)
	case s.method != nil:
		_, inHeaders := s.method.(Signer)
		_, inBody := s.method.(BodySigner)
		return inHeaders || inBody
	}
	return s.algorithm.family != publicKeys
}

// pairOf returns the algorithm that a pair of keys signs with, or why there is none.
func (s *Scheme) pairOf() (string, error) {
	switch j, ok := s.method.(*jws); {
	case ok:
		n := slices.IndexFunc(j.algorithms, func(a string) bool { return !isShared(a) })
		if n < 0 {
			return "", fmt.Errorf("%w: %s is signed with the shared secret, which needs no pair", ErrCannotSign, s.name)
		}
		return j.algorithms[n], nil
	case s.method != nil && s.method.Traits().Fetched:
		return "", ErrKeysFetched
	case s.algorithm.family != publicKeys:
		return "", fmt.Errorf("%w: %s is proven by a shared secret, which needs no pair", ErrCannotSign, s.name)
	}
	return s.algorithm.name, nil
}

// publicText writes a public key as the scheme's secrets are written.
func (s *Scheme) publicText(public crypto.PublicKey) (string, error) {
	data, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	encoding := s.key.encoding
	if _, ok := s.method.(*jws); ok {
		encoding = "pem"
	}
	if bare, ok := public.(ed25519.PublicKey); ok && encoding != "pem" {
		data = bare
	}
	prefix := ""
	if len(s.key.prefixes) > 0 {
		prefix = s.key.prefixes[0]
	}
	switch encoding {
	case "pem":
		return prefix + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: data})), nil
	case "hex":
		return prefix + hex.EncodeToString(data), nil
	case "base64":
		return prefix + base64.StdEncoding.EncodeToString(data), nil
	case "base64url":
		return prefix + base64.RawURLEncoding.EncodeToString(data), nil
	}
	return "", fmt.Errorf("%w: nobody says how the public key is written", ErrCannotSign)
}

// signPrivately signs a message with a generated key.
func (a algorithm) signPrivately(private crypto.Signer, message []byte) ([]byte, error) {
	digest, hash := message, crypto.Hash(0)
	switch a.name {
	case "ecdsa-p256-sha256", "rsa-sha256":
		sum := sha256.Sum256(message)
		digest, hash = sum[:], crypto.SHA256
	case "rsa-sha512":
		sum := sha512.Sum512(message)
		digest, hash = sum[:], crypto.SHA512
	}
	return private.Sign(rand.Reader, digest, hash)
}
