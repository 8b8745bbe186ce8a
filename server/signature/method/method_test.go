package method_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
	"github.com/hookbridge/hookbridge/server/signature/method"
)

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// hosts is what is published, by URL. What was asked for is noted.
type hosts struct {
	documents map[string]string
	asked     []publickey.Origin
}

func (h *hosts) Keys(_ context.Context, o publickey.Origin, _ string) ([]publickey.Key, error) {
	h.asked = append(h.asked, o)
	document, ok := h.documents[o.URL]
	if !ok {
		return nil, publickey.ErrUnavailable
	}
	return publickey.Parse(o.Format, []byte(document))
}

func (h *hosts) Renewed(context.Context, publickey.Origin, time.Time) ([]publickey.Key, error) {
	return nil, publickey.ErrUnknown
}

func compile(t testing.TB, text string) *signature.Scheme {
	t.Helper()
	spec := &providerv1.Scheme{}
	if err := protoyaml.Unmarshal([]byte(text), spec); err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Algorithm = "test", "code"
	if err := protovalidate.Validate(spec); err != nil {
		t.Fatal(err)
	}
	scheme, err := signature.Compile(spec, method.Table())
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

func secrets(t testing.TB, scheme *signature.Scheme, texts ...string) []*signature.Key {
	t.Helper()
	var keys []*signature.Key
	for _, text := range texts {
		key, err := scheme.Key(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

func request(body string) *delivery.Request {
	return &delivery.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/demo"},
		Header: http.Header{}, Body: []byte(body), ReceivedAt: now, Peer: "203.0.113.7",
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// authority makes certificates.
type authority struct {
	key  *rsa.PrivateKey
	leaf *rsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	var a authority
	var err error
	if a.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if a.leaf, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	return &a
}

// certificate is in a name, valid for a year around now; with its issuer behind it where chain is set.
func (a *authority) certificate(t testing.TB, name string, from time.Time, chain bool) string {
	t.Helper()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a root that nobody knows"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: from, NotAfter: from.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
	document := ""
	for n, c := range []*x509.Certificate{leaf, root} {
		if n == 1 && !chain {
			break
		}
		public := &a.leaf.PublicKey
		if n == 1 {
			public = &a.key.PublicKey
		}
		der, err := x509.CreateCertificate(rand.Reader, c, root, public, a.key)
		if err != nil {
			t.Fatal(err)
		}
		document += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return document
}

func (a *authority) sign(t testing.TB, content string, hash crypto.Hash) []byte {
	t.Helper()
	h := hash.New()
	h.Write([]byte(content))
	made, err := rsa.SignPKCS1v15(nil, a.leaf, hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestParametersThatAreWrong(t *testing.T) {
	for _, tc := range []struct{ spec, want string }{
		{"{code: adyen, parameters: [{name: x, value: y}]}", `parameters[0]: adyen takes no "x"`},
		{"{code: paypal, parameters: [{name: webhook_id, value: a}, {name: webhook_id, value: b}]}", `parameters[1]: "webhook_id" is given twice`},
		{"{code: paypal, parameters: [{name: environment, value: test}]}", `parameters: want environment live or sandbox, got "test"`},
		{"{code: paypal, parameters: [{name: webhook_id, value: '{body}'}]}", "parameters[0]: unknown {body}"},
		{"{code: plaid, parameters: [{name: environment, value: test}]}", `parameters: want environment production or sandbox, got "test"`},
		{"{code: jira_connect, parameters: [{name: base_path, value: bridge}]}", `parameters: want base_path to begin with a slash, got "bridge"`},
	} {
		spec := &providerv1.Scheme{}
		if err := protoyaml.Unmarshal([]byte(tc.spec), spec); err != nil {
			t.Fatal(err)
		}
		spec.Name, spec.Algorithm = "test", "code"
		if _, err := signature.Compile(spec, method.Table()); text(err) != `scheme "test": `+tc.want {
			t.Errorf("%s:\n got %v\nwant %s", tc.spec, err, tc.want)
		}
	}
}

// What a setting would say that nobody has put in isn't said: everything is refused.
func TestUnsetParametersTakeNothing(t *testing.T) {
	a := newAuthority(t)
	for _, tc := range []struct {
		spec string
		send func(*delivery.Request)
	}{
		{"{code: aws_sns, parameters: [{name: topic_arn, value: '{setting:topic_arn}'}]}", func(r *delivery.Request) { r.Body = []byte(snsMessage(t, a, nil)) }},
		{"{code: aws_sns, parameters: [{name: topic_arn, value: 'arn:aws:sns:evil.example/x:123456789012:t'}]}", func(r *delivery.Request) {
			r.Body = []byte(snsMessage(t, a, func(m map[string]any) { m["TopicArn"] = "arn:aws:sns:evil.example/x:123456789012:t" }))
		}},
		{"{code: paypal, parameters: [{name: webhook_id, value: '{setting:webhook_id}'}]}", func(r *delivery.Request) { payPalSign(t, a, r, "") }},
	} {
		scheme := compile(t, tc.spec)
		r := request("{}")
		tc.send(r)
		f := &hosts{documents: map[string]string{snsURL: a.certificate(t, "sns.amazonaws.com", now, false), payPalURL: a.certificate(t, "messageverificationcerts.paypal.com", now, false)}}
		if _, err := scheme.VerifyFetching(t.Context(), r, nil, 0, f); err == nil || len(f.asked) > 0 {
			t.Errorf("%s: got %v, asked for %v", tc.spec, err, f.asked)
		}
	}
}

// Methods whose provider publishes its keys take no secret, and print none.
func TestKeylessMethodsTakeNoSecret(t *testing.T) {
	for code, keyless := range map[string]bool{"aws_sns": true, "paypal": true, "plaid": false, "adyen": false, "contentful": false, "jira_connect": false} {
		scheme := compile(t, "{code: "+code+"}")
		key, err := scheme.Key("hunter2")
		if (err != nil) != keyless || scheme.Keyless() != keyless {
			t.Errorf("%s: got %v", code, err)
		}
		if got := fmt.Sprintf("%v", key); !keyless && got != "[redacted]" {
			t.Errorf("%s: prints %s", code, got)
		}
	}
}

// Whatever strangers send: an error, and no panic.
func FuzzMethods(f *testing.F) {
	a := newAuthority(f)
	known := snsMessage(f, a, nil)
	f.Add(uint8(0), "x", "", []byte(known))
	f.Add(uint8(1), "SHA256withRSA", payPalURL, []byte(`{}`))
	f.Add(uint8(2), "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.e30.AAAA", "", []byte(`{}`))
	f.Add(uint8(3), "", "", []byte(`{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}}}]}`))
	f.Add(uint8(4), "JWT eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "a=1&a=%", []byte(nil))
	f.Add(uint8(5), "00", "x", []byte(`{}`))
	published := &hosts{documents: map[string]string{
		snsURL: a.certificate(f, "sns.amazonaws.com", now, false), payPalURL: a.certificate(f, "messageverificationcerts.paypal.com", now, false),
	}}
	specs := []string{
		"{code: aws_sns, parameters: [{name: topic_arn, value: '" + snsTopic + "'}, {name: confirm, value: 'true'}]}",
		"{code: paypal, parameters: [{name: webhook_id, value: W1}]}",
		"{code: plaid, parameters: [{name: client_id, value: c}]}",
		"{code: adyen, key: {encoding: hex}}",
		"{code: jira_connect}",
		"{code: contentful}",
	}
	var schemes []*signature.Scheme
	var keys [][]*signature.Key
	for _, spec := range specs {
		scheme := compile(f, spec)
		schemes = append(schemes, scheme)
		var list []*signature.Key
		if !scheme.Keyless() {
			list = secrets(f, scheme, fmt.Sprintf("%x", sha256.Sum256([]byte(rand.Text()))))
		}
		keys = append(keys, list)
	}
	f.Fuzz(func(t *testing.T, n uint8, value, other string, body []byte) {
		i := int(n) % len(schemes)
		r := request(string(body))
		r.URL.RawQuery = other
		for _, name := range []string{"Authorization", "Plaid-Verification", "Paypal-Transmission-Sig", "Paypal-Auth-Algo", "Paypal-Transmission-Id", "Paypal-Transmission-Time", "X-Contentful-Signature", "X-Contentful-Signed-Headers", "X-Contentful-Timestamp"} {
			r.Header.Set(name, value)
		}
		r.Header.Set("Paypal-Cert-Url", other)
		if _, err := schemes[i].VerifyFetching(t.Context(), r, keys[i], 0, published); err != nil {
			return
		}
		// One message was signed, and what isn't covered in it may be changed.
		for _, member := range []string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"} {
			if i != 0 || gjson.GetBytes(body, member).Raw != gjson.Get(known, member).Raw {
				t.Fatalf("%s accepted %q, %q, %q", specs[i], value, other, body)
			}
		}
	})
}
