package auth

import "github.com/prometheus/client_golang/prometheus"

// refusal is why a call was refused, in one word for a metric.
type refusal string

const (
	missingCredential      refusal = "missing"
	malformedAuthorization refusal = "malformed"
	unknownToken           refusal = "unknown_token"
	unknownCertificate     refusal = "unknown_certificate"
	expiredCertificate     refusal = "expired_certificate"
	// missingGrant is of a principal that is known; withdrawn ended a stream.
	missingGrant refusal = "missing_grant"
	withdrawn    refusal = "withdrawn"
)

func newRefusals() *prometheus.CounterVec {
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookbridge_auth_refusals_total",
		Help: "Calls on the gRPC and admin listeners that were refused, by reason: missing, malformed, unknown_token, unknown_certificate, " +
			"expired_certificate, missing_grant; and streams that a change of the configuration ended: withdrawn.",
	}, []string{"reason"})
	for _, r := range []refusal{
		missingCredential, malformedAuthorization, unknownToken, unknownCertificate, expiredCertificate, missingGrant, withdrawn,
	} {
		refusals.WithLabelValues(string(r)) // an alert needs the zero
	}
	return refusals
}

func (a *Authenticator) refuse(why refusal) { a.refusals.WithLabelValues(string(why)).Inc() }
