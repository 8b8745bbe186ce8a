package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// credential is what a caller shows.
type credential struct {
	kind   kind
	digest Digest
	// spiffe and subject are those of a verified certificate that is valid until expiry; spiffe is empty where it has none.
	spiffe, subject string
	expiry          time.Time
}

type kind int

const (
	none kind = iota
	malformed
	token
	certificate
)

// authorizationKey is the metadata key, and the header, of a token.
const authorizationKey = "authorization"

// ofCall reads the credential of a gRPC call.
func ofCall(ctx context.Context) credential {
	var values []string
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		values = md.Get(authorizationKey)
	}
	var state *tls.ConnectionState
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			state = &info.State
		}
	}
	return readCredential(values, state)
}

// readCredential takes the token where there is one: who sends a token means to be that principal, and a wrong one must not pass
// because of the connection that it came on.
func readCredential(authorization []string, state *tls.ConnectionState) credential {
	switch len(authorization) {
	case 0:
	case 1:
		if digest, ok := parseAuthorization(authorization[0]); ok {
			return credential{kind: token, digest: digest}
		}
		return credential{kind: malformed}
	default:
		return credential{kind: malformed}
	}
	// Chains are there only if the handshake verified the certificate against the listener's client_ca.
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return credential{kind: none}
	}
	leaf := state.PeerCertificates[0]
	return credential{kind: certificate, spiffe: spiffeOf(leaf), subject: subjectOf(leaf), expiry: leaf.NotAfter}
}

// spiffeOf returns a certificate's SPIFFE id. One with several URIs has none: the standard allows only one, and to choose would be
// to guess (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#2-spiffe-id).
func spiffeOf(leaf *x509.Certificate) string {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "spiffe" {
		return ""
	}
	return leaf.URIs[0].String()
}

// subjectOf returns a certificate's whole subject as RFC 4514 writes it, for example "CN=billing,O=Example". It is read from the
// encoded form: pkix.Name keeps only the last of several common names.
func subjectOf(leaf *x509.Certificate) string {
	var subject pkix.RDNSequence
	if rest, err := asn1.Unmarshal(leaf.RawSubject, &subject); err != nil || len(rest) > 0 {
		return ""
	}
	return subject.String()
}
