package method

import (
	"context"
	"crypto"
	_ "crypto/sha256" // SHA256withRSA
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// payPal checks webhooks of PayPal's REST APIs offline: a signature over transmission id, transmission time, webhook id and the CRC-32 of the body.
// https://developer.paypal.com/api/rest/webhooks/rest/
//
// A CRC is no digest: whoever has one delivery can make other bodies with the same CRC. So the proof covers neither the body nor what is
// in it, only that PayPal sent something for this webhook at this time. The parameters are webhook_id, and environment, "live" or "sandbox".
type payPal struct {
	webhook string // empty: nobody has said it
	host    string
	certificates
}

var (
	payPalCertificate = regexp.MustCompile(`^/v1/notifications/certs/[A-Za-z0-9_.-]{1,128}$`)
	payPalName        = regexp.MustCompile(`^messageverificationcerts(\.[a-z]{1,32})?\.paypal\.com$`)
)

func newPayPal(spec *providerv1.Scheme) (signature.Method, error) {
	values, err := parameters(spec, "webhook_id", "environment")
	if err != nil {
		return nil, err
	}
	p := &payPal{webhook: values["webhook_id"], certificates: certificates{name: payPalName}}
	switch values["environment"] {
	case "", "live":
		p.host = "api.paypal.com"
	case "sandbox":
		p.host = "api.sandbox.paypal.com"
	default:
		return nil, fmt.Errorf("parameters: want environment live or sandbox, got %q", values["environment"])
	}
	return p, nil
}

// payPalSigned are the headers that are signed.
var payPalSigned = []string{"Paypal-Transmission-Id", "Paypal-Transmission-Time"}

// Traits implements signature.Method.
func (p *payPal) Traits() signature.Traits {
	return signature.Traits{Keyless: true, Fetched: true, Stamped: true}
}

// Covers implements signature.Method.
func (p *payPal) Covers(at signature.Place) bool { return slices.Contains(payPalSigned, at.Header()) }

// Verify implements signature.Method.
func (p *payPal) Verify(ctx context.Context, c signature.Check) (signature.Match, error) {
	var values [5]string
	for n, name := range []string{
		"Paypal-Transmission-Sig", payPalSigned[0], payPalSigned[1], "Paypal-Cert-Url", "Paypal-Auth-Algo",
	} {
		var err error
		if values[n], err = single(c.Request.Header, name); err != nil {
			return signature.Match{}, err
		}
	}
	signed, id, at, location, algorithm := values[0], values[1], values[2], values[3], values[4]
	if algorithm != "SHA256withRSA" {
		return signature.Match{}, fmt.Errorf("%w: want header Paypal-Auth-Algo as SHA256withRSA", signature.ErrMalformed)
	}
	u, err := url.Parse(location)
	if err != nil || u.String() != "https://"+p.host+u.Path || !payPalCertificate.MatchString(u.Path) {
		return signature.Match{}, fmt.Errorf("%w: want header Paypal-Cert-Url on %s", signature.ErrMalformed, p.host)
	}
	if p.webhook == "" {
		return signature.Match{}, fmt.Errorf("%w: the source's webhook_id is not set", signature.ErrMismatch)
	}
	content := fmt.Appendf(nil, "%s|%s|%s|%d", id, at, p.webhook, crc32.ChecksumIEEE(c.Request.Body))
	if err := p.verify(ctx, c, u.String(), "paypal "+p.webhook, crypto.SHA256, content, signed); err != nil {
		return signature.Match{}, err
	}
	m := signature.Match{ID: id}
	if m.Time, err = time.Parse(time.RFC3339, at); err != nil {
		return signature.Match{}, fmt.Errorf("%w: the timestamp can't be read", signature.ErrMalformed)
	}
	if c.Tolerance > 0 {
		m.TimeCovered = true
		err = signature.Fresh(m.Time, c.Request.ReceivedAt, c.Tolerance)
	}
	return m, err
}

// single returns the value of a header that must be there exactly once.
func single(h http.Header, name string) (string, error) {
	switch values := h[name]; {
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%w: want header %s", signature.ErrMissing, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: header %s is there more than once", signature.ErrMalformed, name)
	default:
		return values[0], nil
	}
}
