package method

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
)

// certificates checks signatures made with a certificate that the delivery names and the provider publishes.
type certificates struct {
	// name is what a certificate's subject, or one of its DNS names, must match whole.
	name *regexp.Regexp
	// roots are those that a chain must lead to, where the provider publishes one; nil for the system's.
	roots *x509.CertPool
}

// verify fetches the certificate and checks a signature under its key. The caller has seen to it that the URL is the provider's own.
func (own certificates) verify(
	ctx context.Context, c signature.Check, url, scope string, hash crypto.Hash, content []byte, signed string,
) error {
	sign, err := base64.StdEncoding.Strict().DecodeString(signed)
	if err != nil || len(sign) == 0 {
		return fmt.Errorf("%w: want the signature in base64", signature.ErrMalformed)
	}
	keys, err := c.Fetcher.Keys(ctx, publickey.Origin{URL: url, Format: publickey.PEM, Scope: scope, Peer: c.Request.Peer}, "")
	if err != nil {
		return unavailable(err)
	}
	key := keys[0]
	if err := own.check(key, c.Request.ReceivedAt); err != nil {
		return fmt.Errorf("%w: the certificate %w", signature.ErrMismatch, err)
	}
	public, ok := key.Public.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: the certificate's key is not RSA", signature.ErrMismatch)
	}
	h := hash.New()
	h.Write(content)
	if rsa.VerifyPKCS1v15(public, hash, h.Sum(nil), sign) != nil {
		return fmt.Errorf("%w: it doesn't match under the certificate", signature.ErrMismatch)
	}
	return nil
}

// check says what is wrong with a certificate. That it came from the provider's own host is what it is trusted for; a chain that comes with
// it must be right as well.
func (c certificates) check(key publickey.Key, now time.Time) error {
	leaf := key.Certificate
	switch {
	case leaf == nil:
		return errors.New("is none")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return errors.New("is out of date")
	case !slices.ContainsFunc(append(slices.Clone(leaf.DNSNames), leaf.Subject.CommonName), c.name.MatchString):
		return errors.New("is in another name")
	case len(key.Chain) == 0:
		return nil
	}
	between := x509.NewCertPool()
	for _, certificate := range key.Chain {
		between.AddCert(certificate)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Intermediates: between, Roots: c.roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return errors.New("has a chain that leads to nobody who is known")
	}
	return nil
}

// unavailable names what a Fetcher said as a method's error.
func unavailable(err error) error {
	if errors.Is(err, publickey.ErrUnknown) {
		return fmt.Errorf("%w: the provider publishes no key of this id", signature.ErrMismatch)
	}
	return fmt.Errorf("%w: %w", signature.ErrKeyUnavailable, err)
}
