package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
)

type family uint8

const (
	hmacs family = iota + 1
	digests
	publicKeys
	tokens
	basics
	tokensOfJOSE
	codes
)

// algorithm is what a name stands for.
type algorithm struct {
	name   string
	family family
	// hash is the hash function of hmacs and digests; size is the length of a signature in bytes, 0 where it varies.
	hash func() hash.Hash
	size int
	// parse reads a public key, verify checks a signature with it.
	parse  func(data []byte) (crypto.PublicKey, error)
	verify func(key crypto.PublicKey, message, signature []byte) bool
}

func newAlgorithm(name string) (algorithm, error) {
	switch name {
	case "hmac-sha1":
		return algorithm{name: name, family: hmacs, hash: sha1.New, size: sha1.Size}, nil
	case "hmac-sha256":
		return algorithm{name: name, family: hmacs, hash: sha256.New, size: sha256.Size}, nil
	case "hmac-sha512":
		return algorithm{name: name, family: hmacs, hash: sha512.New, size: sha512.Size}, nil
	case "sha1":
		return algorithm{name: name, family: digests, hash: sha1.New, size: sha1.Size}, nil
	case "sha256":
		return algorithm{name: name, family: digests, hash: sha256.New, size: sha256.Size}, nil
	case "ed25519":
		return algorithm{name: name, family: publicKeys, size: ed25519.SignatureSize, parse: parseEd25519, verify: verifyEd25519}, nil
	case "ecdsa-p256-sha256":
		return algorithm{name: name, family: publicKeys, parse: parseP256, verify: verifyP256}, nil
	case "rsa-sha256":
		return algorithm{name: name, family: publicKeys, parse: parseRSA, verify: verifyRSASHA256}, nil
	case "rsa-sha512":
		return algorithm{name: name, family: publicKeys, parse: parseRSA, verify: verifyRSASHA512}, nil
	case "token":
		return algorithm{name: name, family: tokens, size: sha256.Size}, nil
	case "basic":
		return algorithm{name: name, family: basics, size: sha256.Size}, nil
	case "jws":
		return algorithm{name: name, family: tokensOfJOSE}, nil
	case "code":
		return algorithm{name: name, family: codes}, nil
	}
	return algorithm{}, fmt.Errorf("unknown algorithm %q", name)
}

// signs reports whether the algorithm signs a content.
func (a algorithm) signs() bool {
	return a.family == hmacs || a.family == digests || a.family == publicKeys
}

func parseEd25519(data []byte) (crypto.PublicKey, error) {
	if len(data) == ed25519.PublicKeySize {
		return ed25519.PublicKey(data), nil
	}
	if key, ok := parsePKIX(data).(ed25519.PublicKey); ok {
		return key, nil
	}
	return nil, errors.New("want an Ed25519 public key")
}

func parseP256(data []byte) (crypto.PublicKey, error) {
	if key, ok := parsePKIX(data).(*ecdsa.PublicKey); ok && key.Curve == elliptic.P256() {
		return key, nil
	}
	return nil, errors.New("want a P-256 public key")
}

func parseRSA(data []byte) (crypto.PublicKey, error) {
	if key, ok := parsePKIX(data).(*rsa.PublicKey); ok && key.Size() >= 2048/8 && key.Size() <= 8192/8 {
		return key, nil
	}
	return nil, errors.New("want an RSA public key of 2048 to 8192 bits")
}

// parsePKIX returns nil for what is none: the cause says nothing that an operator could use.
func parsePKIX(data []byte) crypto.PublicKey {
	key, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		return nil
	}
	return key
}

func verifyEd25519(key crypto.PublicKey, message, signature []byte) bool {
	k, ok := key.(ed25519.PublicKey)
	return ok && ed25519.Verify(k, message, signature)
}

func verifyP256(key crypto.PublicKey, message, signature []byte) bool {
	k, ok := key.(*ecdsa.PublicKey)
	sum := sha256.Sum256(message)
	return ok && ecdsa.VerifyASN1(k, sum[:], signature)
}

func verifyRSASHA256(key crypto.PublicKey, message, signature []byte) bool {
	k, ok := key.(*rsa.PublicKey)
	sum := sha256.Sum256(message)
	return ok && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil
}

func verifyRSASHA512(key crypto.PublicKey, message, signature []byte) bool {
	k, ok := key.(*rsa.PublicKey)
	sum := sha512.Sum512(message)
	return ok && rsa.VerifyPKCS1v15(k, crypto.SHA512, sum[:], signature) == nil
}
