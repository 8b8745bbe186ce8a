package signature_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// The expected values in the tests of this package were not made by it. Where nothing else is said, they are what
//
//	printf %s "$CONTENT" | openssl dgst -sha256 -hmac 'a shared secret' -r
//
// prints for the signed content that the case describes.
const (
	sharedSecret = "a shared secret"
	helloBody    = `{"hello":"world"}`
	// helloHex and helloBase64 sign helloBody alone.
	helloHex    = "8dc063063dac910c544777afa3e21a0a7b6a4bdc4242bb14e41be113f5f58cf0"
	helloBase64 = "jcBjBj2skQxUR3evo+IaCntqS9xCQrsU5BvhE/X1jPA="
	// stampedHex signs `1700000000.{"hello":"world"}`, nextHex the same a second later, formerHex with 'the secret before'.
	stampedHex = "c311c1592564e770f1d8a282be38e583e4a452bd1ab695964bb29f5324cff628"
	nextHex    = "7dfd33a1190828496f47196e51c1a6f8b45fa82c21833ca6edaa208c4d7c81db"
	formerHex  = "141c59d825743ab1d3c7a7a837377b7e9f9294165c00086387216151b0d335fd"
)

var stampTime = time.Unix(1_700_000_000, 0)

// verifyCase is a request and what becomes of it.
type verifyCase struct {
	name string
	// scheme is a hookbridge.provider.v1.Scheme as YAML; its name may be left out.
	scheme string
	// secrets is one secret where it is empty: sharedSecret.
	secrets []string
	header  http.Header
	// url is https://hooks.example.com/webhooks/demo with this query.
	query string
	// body is helloBody where it is empty.
	body string
	// at is how long after stampTime it arrives; tolerance 0 means that the time isn't checked.
	at, tolerance time.Duration
	want          signature.Match
	err           error
	// says is the text of err behind its own, where the case is about it.
	says string
}

func (c verifyCase) run(t *testing.T) {
	t.Helper()
	scheme := compile(t, c.scheme)
	match, err := scheme.Verify(c.request(), keys(t, scheme, c.secrets...), c.tolerance)
	if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
		t.Fatalf("got error %v, want %v", err, c.err)
	}
	if c.says != "" && err.Error() != c.err.Error()+": "+c.says {
		t.Errorf("got %q, want %q", err, c.err.Error()+": "+c.says)
	}
	if !match.Time.Equal(c.want.Time) || match.Key != c.want.Key || match.ID != c.want.ID || match.TimeCovered != c.want.TimeCovered {
		t.Errorf("got %+v, want %+v", match, c.want)
	}
}

func (c verifyCase) request() *delivery.Request {
	body := c.body
	if body == "" {
		body = helloBody
	}
	header := http.Header{}
	for name, values := range c.header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	return &delivery.Request{
		Method:     http.MethodPost,
		URL:        &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/demo", RawQuery: c.query},
		Header:     header,
		Body:       []byte(body),
		Document:   []byte(body),
		ReceivedAt: stampTime.Add(c.at),
	}
}

func parseScheme(text string) (*providerv1.Scheme, error) {
	spec := &providerv1.Scheme{}
	if err := protoyaml.Unmarshal([]byte(text), spec); err != nil {
		return nil, err
	}
	if spec.GetName() == "" {
		spec.Name = "test"
	}
	return spec, protovalidate.Validate(spec)
}

func compile(t testing.TB, text string) *signature.Scheme {
	t.Helper()
	spec, err := parseScheme(text)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := signature.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

func keys(t testing.TB, scheme *signature.Scheme, secrets ...string) []*signature.Key {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{sharedSecret}
	}
	var list []*signature.Key
	for _, secret := range secrets {
		key, err := scheme.Key(secret)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key)
	}
	return list
}

// header is one header.
func header(name string, values ...string) http.Header { return http.Header{name: values} }
