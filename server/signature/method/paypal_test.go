package method_test

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

const payPalURL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-90621ecd"

func payPalSign(t testing.TB, a *authority, r *delivery.Request, webhook string) {
	t.Helper()
	const id, at = "69cd13f0-d67a-11e5-baa3-778b53f4ae55", "2026-03-01T08:59:00Z"
	content := fmt.Sprintf("%s|%s|%s|%d", id, at, webhook, crc32.ChecksumIEEE(r.Body))
	for name, value := range map[string]string{
		"PAYPAL-TRANSMISSION-ID": id, "PAYPAL-TRANSMISSION-TIME": at, "PAYPAL-CERT-URL": payPalURL, "PAYPAL-AUTH-ALGO": "SHA256withRSA",
		"PAYPAL-TRANSMISSION-SIG": base64.StdEncoding.EncodeToString(a.sign(t, content, crypto.SHA256)),
	} {
		r.Header.Set(name, value)
	}
}

func TestPayPal(t *testing.T) {
	a := newAuthority(t)
	good := a.certificate(t, "messageverificationcerts.paypal.com", now.AddDate(0, -1, 0), false)
	header := func(name, value string) func(*delivery.Request) {
		return func(r *delivery.Request) { r.Header.Set(name, value) }
	}
	const host = "signature malformed: want header Paypal-Cert-Url on api.paypal.com"
	for _, tc := range []struct {
		name, environment, certificate string
		change                         func(*delivery.Request)
		tolerance                      time.Duration
		want                           string
		asked                          int
	}{
		{name: "right", asked: 1},
		{name: "in time", tolerance: time.Minute, asked: 1},
		{name: "too old", tolerance: 59 * time.Second, asked: 1, want: "timestamp out of tolerance: signed 1m0s ago, which is more than 59s"},
		{name: "another body", change: func(r *delivery.Request) { r.Body = []byte(`{"id":"WH-2"}`) }, asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "another id", change: header("Paypal-Transmission-Id", "x"), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "another time", change: header("Paypal-Transmission-Time", "2026-03-01T09:00:00Z"), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "two ids", change: func(r *delivery.Request) { r.Header.Add("Paypal-Transmission-Id", "x") }, want: "signature malformed: header Paypal-Transmission-Id is there more than once"},
		{name: "no signature", change: func(r *delivery.Request) { r.Header.Del("Paypal-Transmission-Sig") }, want: "signature missing: want header Paypal-Transmission-Sig"},
		{name: "a signature that is none", change: header("Paypal-Transmission-Sig", "%"), want: "signature malformed: want the signature in base64"},
		{name: "another algorithm", change: header("Paypal-Auth-Algo", "SHA1withRSA"), want: "signature malformed: want header Paypal-Auth-Algo as SHA256withRSA"},
		{name: "another host", change: header("Paypal-Cert-Url", "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1"), want: host},
		{name: "a user in front of the host", change: header("Paypal-Cert-Url", "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1"), want: host},
		{name: "another path", change: header("Paypal-Cert-Url", "https://api.paypal.com/v1/notifications/certs/../../x"), want: host},
		{name: "http", change: header("Paypal-Cert-Url", strings.Replace(payPalURL, "https", "http", 1)), want: host},
		{name: "the sandbox's certificate", change: header("Paypal-Cert-Url", strings.Replace(payPalURL, "api.", "api.sandbox.", 1)), want: host},
		{name: "the live certificate in the sandbox", environment: "sandbox", want: strings.Replace(host, "api.", "api.sandbox.", 1)},
		{name: "in another name", certificate: a.certificate(t, "www.paypal.com", now, false), asked: 1, want: "signature mismatch: the certificate is in another name"},
		{name: "a chain to nobody", certificate: a.certificate(t, "messageverificationcerts.paypal.com", now, true), asked: 1, want: "signature mismatch: the certificate has a chain that leads to nobody who is known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, fmt.Sprintf("{code: paypal, parameters: [{name: webhook_id, value: W1}, {name: environment, value: %q}]}", tc.environment))
			r := request(`{"id":"WH-1"}`)
			payPalSign(t, a, r, "W1")
			if tc.change != nil {
				tc.change(r)
			}
			f := &hosts{documents: map[string]string{payPalURL: good}}
			if tc.certificate != "" {
				f.documents[payPalURL] = tc.certificate
			}
			m, err := scheme.VerifyFetching(t.Context(), r, nil, tc.tolerance, f)
			if text(err) != tc.want || len(f.asked) != tc.asked || tc.asked == 1 && f.asked[0].Peer != "203.0.113.7" {
				t.Errorf("got %q, asked for %v, want %q", text(err), f.asked, tc.want)
			}
			if err == nil && (m.ID != r.Header.Get("Paypal-Transmission-Id") || m.TimeCovered != (tc.tolerance > 0)) {
				t.Errorf("got %+v", m)
			}
		})
	}
	scheme := compile(t, "{code: paypal, parameters: [{name: webhook_id, value: W2}]}")
	r := request(`{"id":"WH-1"}`)
	payPalSign(t, a, r, "W1")
	if _, err := scheme.VerifyFetching(t.Context(), r, nil, 0, &hosts{documents: map[string]string{payPalURL: good}}); text(err) != "signature mismatch: it doesn't match under the certificate" {
		t.Errorf("of another webhook: got %v", err)
	}
}

// The signed CRC-32 doesn't protect the body: this one is another, and verifies. Nothing of it may count as covered.
func TestPayPalDoesNotCoverTheBody(t *testing.T) {
	a := newAuthority(t)
	scheme := compile(t, "{code: paypal, parameters: [{name: webhook_id, value: W1}]}")
	r := request(`{"amount":"1.00"}`)
	payPalSign(t, a, r, "W1")
	r.Body = collide([]byte(`{"amount":"9999","x":"`), crc32.ChecksumIEEE(r.Body))
	f := &hosts{documents: map[string]string{payPalURL: a.certificate(t, "messageverificationcerts.paypal.com", now, false)}}
	if _, err := scheme.VerifyFetching(t.Context(), r, nil, 0, f); err != nil {
		t.Fatalf("the forged body is refused after all: %v", err)
	}
	json, err := signature.PlaceNamed("json", "id")
	if err != nil {
		t.Fatal(err)
	}
	id, err := signature.PlaceNamed("header", "PAYPAL-TRANSMISSION-ID")
	if err != nil {
		t.Fatal(err)
	}
	if scheme.CoversBody() || scheme.Covers(json) || !scheme.Covers(id) {
		t.Errorf("covers the body: %v, JSON: %v, the id: %v", scheme.CoversBody(), scheme.Covers(json), scheme.Covers(id))
	}
	if _, err := scheme.Sign(request("{}"), nil, "", now); !errors.Is(err, signature.ErrCannotSign) {
		t.Errorf("signs: %v", err)
	}
}

// collide appends four bytes that give data a CRC-32: it is linear, so they follow from it.
func collide(data []byte, want uint32) []byte {
	table := crc32.IEEETable
	var reverse [256]byte
	for n := range 256 {
		reverse[table[n]>>24] = byte(n)
	}
	target := ^want
	var indexes [4]byte
	for n := 3; n >= 0; n-- {
		indexes[n] = reverse[target>>24]
		target = (target ^ table[indexes[n]]) << 8
	}
	state := ^crc32.ChecksumIEEE(data)
	for _, index := range indexes {
		b := byte(state) ^ index
		data = append(data, b)
		state = table[byte(state)^b] ^ state>>8
	}
	return data
}
