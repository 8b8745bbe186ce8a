// Package publickey reads the public keys that providers publish: a JSON Web Key or a set of them (RFC 7517), a PEM block, a
// certificate. It says of each key with which algorithms it may be used, and where keys are published. It fetches nothing; package
// keysource does.
//
// Guarantees: no key is weaker than RSA of 2048 bits or P-256, none is a private or a secret one, and a set has at most 100. What is in a set and can't be
// used is passed over, because providers publish keys for other purposes beside those for signatures.
package publickey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrUnfit means that what should hold keys holds none that can be used.
	ErrUnfit = errors.New("no usable public key")
	// ErrUnknown means that a provider publishes no key of this id.
	ErrUnknown = errors.New("unknown key")
	// ErrUnavailable means that it could not be found out in time what a provider publishes.
	ErrUnavailable = errors.New("public key unavailable")
)

// Key is a public key. It doesn't change.
type Key struct {
	// ID is the id under which it is published; empty where it has none.
	ID string
	// Algorithm is the only one that it may be used with, for example "RS256"; empty: any that fits its type.
	Algorithm string
	// Public is an *rsa.PublicKey, an *ecdsa.PublicKey or an ed25519.PublicKey.
	Public crypto.PublicKey
	// Certificate is where it comes from, and Chain what was published beside that; nil for keys without a certificate.
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
}

// Fits reports whether the key may be used with an algorithm of RFC 7518, for example "ES256".
func (k Key) Fits(algorithm string) bool {
	if k.Algorithm != "" && k.Algorithm != algorithm {
		return false
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return algorithm == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

const (
	minRSA = 2048
	maxRSA = 8192
)

// check refuses keys that nobody should trust, or that are expensive to try.
func check(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		// The exponent's size bounds the work; nobody uses a large one.
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA || k.E < 3 || k.E > 1<<31-1 || k.E%2 == 0 {
			return fmt.Errorf("%w: want RSA of %d to %d bits", ErrUnfit, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		if size := k.Curve.Params().BitSize; size != 256 && size != 384 && size != 521 {
			return fmt.Errorf("%w: want the curve P-256, P-384 or P-521", ErrUnfit)
		}
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: an Ed25519 key has %d bytes", ErrUnfit, ed25519.PublicKeySize)
		}
	default:
		return fmt.Errorf("%w: want RSA, ECDSA or Ed25519", ErrUnfit)
	}
	return nil
}
