package signature_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// A signed request has everything where the scheme wants it, and the rest as it was. The signatures are what openssl prints.
func TestSign(t *testing.T) {
	type signed struct{ Query, Body, Sig string }
	for _, tc := range []struct {
		name, scheme, query, body string
		noDocument                bool
		want                      signed
		err                       string
	}{
		{
			name: "in the query", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{query: sig}]}`,
			query: "a=%2f&sig=old&b", body: helloBody, want: signed{Query: "a=%2f&sig=" + helloHex + "&b", Body: helloBody},
		},
		{
			name: "in the query, which is signed", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{url}", signature: [{query: sig}]}`,
			err: "cannot sign: the signature in query parameter sig would be part of what is signed",
		},
		{
			name: "in the body, which is signed", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{json: sig}]}`,
			body: `{}`, err: "cannot sign: the signature in JSON field sig would be part of what is signed",
		},
		{
			name: "in a form", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{form:ts}{form:id}", signature: [{form: sig}], timestamp: {at: [{form: ts}], unit: s}}`,
			body: "a=1&ts=5&a=2", want: signed{Body: "a=1&ts=1700000000&a=2&id=tok&sig=460da61993259d46d240b4f595b7b8f631f956209557ed550a12a5325fb7f63b"},
		},
		{
			name: "in a form, and the body is JSON", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{form:id}", signature: [{form: sig}]}`,
			body: `{}`, err: "cannot sign: the body is JSON, and form field id is in a form",
		},
		{
			name: "in the JSON", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{json:s.ts}{json:s.token}", signature: [{json: s.sig}], timestamp: {at: [{json: s.ts}], unit: s}}`,
			body: `{"data":[1, 2],"s":{"ts":"5"}}`,
			want: signed{Body: `{"data":[1, 2],"s":{"ts":"1700000000","token":"tok","sig":"460da61993259d46d240b4f595b7b8f631f956209557ed550a12a5325fb7f63b"}}`},
		},
		{
			name: "a time that is a number", scheme: `{algorithm: hmac-sha256, encoding: hex, content: "{json:ts}{json:token}", signature: [{header: Sig}], timestamp: {at: [{json: ts}], unit: s}}`,
			body: `{"ts":5,"token":"tok"}`, want: signed{Body: `{"ts":1700000000,"token":"tok"}`, Sig: "460da61993259d46d240b4f595b7b8f631f956209557ed550a12a5325fb7f63b"},
		},
		{
			name: "in JSON that is in something else", scheme: `{algorithm: token, signature: [{json: token}]}`,
			body: `{"a":1}`, noDocument: true, err: "cannot sign: the body is no JSON object",
		},
		{
			name: "in every element", scheme: `{algorithm: token, signature: [{json: "value.*.state"}]}`,
			body: `{"value":[{"a":1},{"state":"x"}]}`, want: signed{Body: `{"value":[{"a":1,"state":"a shared secret"},{"state":"a shared secret"}]}`},
		},
		{
			name: "in every element of a list that isn't there", scheme: `{algorithm: token, signature: [{json: "value.*.state"}]}`,
			body: `{}`, err: "cannot sign: the body has no list for JSON field value.*.state",
		},
		{
			name: "in the first of the numbered headers", scheme: `{algorithm: hmac-sha256, encoding: hex-or-base64, content: "{body}", signature: [{header: Sig, count: 1}]}`,
			body: helloBody, want: signed{Body: helloBody, Sig: helloHex},
		},
		{
			name: "what is the body", scheme: `{algorithm: token, signature: [{body: true}]}`,
			body: "x", err: "cannot sign: nothing can be put into the body",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scheme := compile(t, tc.scheme)
			r := &delivery.Request{
				Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/demo", RawQuery: tc.query},
				Body: []byte(tc.body), Document: []byte(tc.body),
			}
			if tc.noDocument {
				r.Document = nil
			}
			key := keys(t, scheme)[0]
			got, err := scheme.Sign(r, key, "tok", stampTime)
			if tc.err != "" {
				if !errors.Is(err, signature.ErrCannotSign) || err.Error() != tc.err {
					t.Fatalf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sig := got.Header.Get("Sig") + got.Header.Get("Sig1")
			if diff := cmp.Diff(tc.want, signed{Query: got.URL.RawQuery, Body: string(got.Body), Sig: sig}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if string(r.Body) != tc.body || r.URL.RawQuery != tc.query || len(r.Header) != 0 {
				t.Errorf("the request itself was changed: %+v", r)
			}
			got.ReceivedAt = stampTime
			if _, err := scheme.Verify(got, []*signature.Key{key}, 0); err != nil {
				t.Errorf("what was signed is refused: %v", err)
			}
		})
	}
}
