package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const boundary = "multipart/form-data; boundary=b"

// formData writes parts as a sender does: a head and a text each.
func formData(parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; " + parts[i] + "\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

// What document a body carries.
func TestDocuments(t *testing.T) {
	jwt := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AAAA"
	}
	for _, tc := range []struct {
		name, contentType string
		kind              body
		raw, want         string
		none              bool
	}{
		{name: "JSON", kind: body{format: "json"}, raw: `{"a":1}`, want: `{"a":1}`},
		{name: "no body", kind: body{format: "json"}, none: true},
		{name: "a form's field", kind: body{format: "form", field: "payload"}, raw: "a=1&payload=%7B%22a%22%3A+1%7D", want: `{"a": 1}`},
		{name: "a form with the field twice", kind: body{format: "form", field: "payload"}, raw: "payload=%7B%7D&a=1&payload=%7B%7D", none: true},
		{name: "a form with the field twice, once empty", kind: body{format: "form", field: "payload"}, raw: "payload=&payload=%7B%7D", none: true},
		{name: "a form without the field", kind: body{format: "form", field: "payload"}, raw: "a=1", none: true},
		{name: "a form that carries none", kind: body{format: "form"}, raw: "a=1", none: true},
		{name: "an opaque body", kind: body{format: "opaque"}, raw: "<a/>", none: true},

		{name: "fields", kind: body{format: "fields"}, raw: "a=%22+%0A&c&=x&d=%zz&e=%ff", want: "{\"a\":\"\\\" \\n\",\"c\":\"\",\"e\":\"\ufffd\"}"},
		{name: "fields of which some are there twice", kind: body{format: "fields"}, raw: "b=1&a=x&b=2&c=&%63=&d=y&b=1", want: `{"a":"x","d":"y"}`},
		{name: "fields that are all there twice", kind: body{format: "fields"}, raw: "a=1&a=1", want: `{}`},
		{name: "as many fields as are taken", kind: body{format: "fields"}, raw: strings.Repeat("a=1&", maxFields-2) + "b=1", want: `{"b":"1"}`},
		{name: "a field more", kind: body{format: "fields"}, raw: strings.Repeat("a=1&", maxFields), none: true},

		{name: "multipart", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(`name="x"`, "1", `name="json"`, `{"a":"\r\n--c"}`), want: `{"a":"\r\n--c"}`},
		{name: "a file", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(`name="json"; filename="a.json"`, `{}`), want: `{}`},
		{name: "multipart without the field", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(`name="x"`, "1"), none: true},
		{name: "multipart with the field twice", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(`name="json"`, "1", `name="json"`, `2`), none: true},
		{name: "multipart without its end", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: strings.TrimSuffix(formData(`name="json"`, "1"), "--b--\r\n"), none: true},
		{name: "multipart without a boundary", contentType: "multipart/form-data", kind: body{format: "multipart", field: "json"}, raw: formData(`name="json"`, "1"), none: true},
		{name: "multipart in another encoding", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData("name=\"json\"\r\nContent-Transfer-Encoding: base64", "e30="), none: true},
		{name: "as many parts as are taken", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(repeated(maxFormParts - 1)...), want: "0"},
		{name: "a part more", contentType: boundary, kind: body{format: "multipart", field: "json"}, raw: formData(repeated(maxFormParts)...), none: true},

		{name: "a JWS", kind: body{format: "jwt"}, raw: jwt(`{"a":1}`) + "\n", want: `{"a":1}`},
		{name: "two parts", kind: body{format: "jwt"}, raw: "e30.e30", none: true},
		{name: "four parts", kind: body{format: "jwt"}, raw: "e30.e30.e30.e30", none: true},
		{name: "no base64", kind: body{format: "jwt"}, raw: "e30.e3_=.e30", none: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.kind.document(tc.contentType, []byte(tc.raw))
			if (got == nil) != tc.none || string(got) != tc.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// repeated are n parts, the first of them the field.
func repeated(n int) []string {
	parts := []string{`name="json"`, "0"}
	for range n - 1 {
		parts = append(parts, `name="x"`, "1")
	}
	return parts
}

// A delivery without a body is one without a document: what there is is in its headers.
func TestEmptyBody(t *testing.T) {
	source := newTestSource(t, `key: bare
name: Bare
docs_url: https://example.com
schemes: [{name: token, algorithm: token, signature: [{header: X-Token}]}]
id: [{parts: [{header: X-Number}]}]
type: [{parts: [{header: X-State}]}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"t"}})
	outcome, err := source.Receive(t.Context(), post(http.Header{"X-Token": {"t"}, "X-Number": {"7"}, "X-State": {"exists"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if v := outcome.Verified[0]; v.ID != "7" || v.Type != "exists" || v.Document != nil || len(v.Body) != 0 {
		t.Errorf("got %+v", v)
	}
}

// Whatever a provider's bodies look like, what Deliver makes is taken as what it was made of.
func TestDeliver(t *testing.T) {
	const document = `{"a":"x & y=","kind":"made","sig":{"ts":1}}`
	for _, tc := range []struct{ name, bodies, scheme, document string }{
		{"JSON", "{media_type: application/json}", `{content: "{body}", signature: [{header: S}]}`, document},
		{"a form's field", "{media_type: application/x-www-form-urlencoded, format: form, field: payload}", `{content: "{body}", signature: [{query: s}]}`, document},
		{"fields", "{media_type: application/x-www-form-urlencoded, format: fields}", `{content: "{url}{form_sorted}", signature: [{header: S}]}`, `{"a":"x & y=","kind":"made"}`},
		{"multipart", "{media_type: multipart/form-data, format: multipart, field: json}", `{content: "{body}", signature: [{header: S}]}`, document},
		{"signed inside of multipart", "{media_type: multipart/form-data, format: multipart, field: json}", `{content: "{json:a}{json:kind}", signature: [{json: sig.hash}]}`, ""},
		{"a time inside of a form", "{media_type: application/x-www-form-urlencoded, format: form, field: payload}", `{content: "{json:sig.ts}{json:kind}", signature: [{header: S}], timestamp: {at: [{json: sig.ts}], unit: s, tolerance: 60s}}`, ""},
		{"what is signed beside it", "{media_type: application/json}", `{content: "{header:Nonce}.{body}", signature: [{header: S}]}`, document},
		{"a digest", "{media_type: application/json}", `{content: "{header:Digest}", signature: [{header: S}], body_digests: [{header: Digest, algorithm: sha256, encoding: hex}]}`, document},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source := newTestSource(t, "key: own\nname: Own\ndocs_url: https://example.com\nschemes:\n- "+
				strings.Replace(tc.scheme, "{", "{name: s, algorithm: hmac-sha256, encoding: hex, ", 1)+
				"\ntype: [{parts: [{json: kind}]}]\nbodies: ["+tc.bodies+"]\nretries: true\nevidence: [made up]\n",
				SourceConfig{Secrets: []string{"a shared secret"}, PublicURL: true})
			signed, err := source.Deliver(&url.URL{Scheme: "https", Host: "h", Path: "/webhooks/test", RawQuery: "a=1"}, []byte(document), "made", "id-1", now)
			if err != nil {
				t.Fatal(err)
			}
			r := post(signed.Header, signed.Body)
			r.URL = signed.URL
			outcome, err := source.Receive(t.Context(), r)
			if err != nil {
				t.Fatalf("%v: %s", err, signed.Body)
			}
			v := outcome.Verified[0]
			if v.Type != "made" || !bytes.Equal(v.Body, signed.Body) {
				t.Errorf("got type %s, body %s", v.Type, v.Body)
			}
			if tc.document != "" && tc.name != "fields" && string(v.Document) != tc.document {
				t.Errorf("got document %s", v.Document)
			}
			if again, err := source.Resign(signed.URL, v.ContentType, v.Body, "made", "id-1", now); tc.name != "signed inside of multipart" && tc.name != "a time inside of a form" &&
				(err != nil || !bytes.Equal(again.Body, signed.Body)) {
				t.Errorf("signed again: %v, %s", err, again.Body)
			}
		})
	}
}

// Headers alone don't prove what is proven in the body or in the URL.
func TestSignNeedsMore(t *testing.T) {
	source := newTestSource(t, `key: own
name: Own
docs_url: https://example.com
schemes: [{name: s, algorithm: token, signature: [{query: token}]}]
bodies: [{media_type: application/json}]
retries: true
evidence: [made up]
`, SourceConfig{Secrets: []string{"t"}})
	if _, err := source.Sign(&url.URL{}, []byte("{}"), "", "", now); !errors.Is(err, ErrCannotSign) {
		t.Errorf("got %v", err)
	}
}

// FuzzMultipart: whatever the bytes, a document is one that a single part of the body holds.
func FuzzMultipart(f *testing.F) {
	f.Add(boundary, []byte(formData(`name="json"`, "{}")))
	f.Add(boundary, []byte(formData(`name="json"`, "{}", `name="json"`, "{}")))
	f.Add("multipart/form-data; boundary=\"a b\"", []byte("--a b\r\n\r\n\r\n--a b--"))
	f.Add("multipart/form-data; boundary=b; boundary=c", []byte("--b\r\nContent-Disposition: form-data; name*=utf-8''json\r\n\r\n1\r\n--b--"))
	f.Add("multipart/mixed;boundary=b", []byte("\r\n--b\nContent-Disposition:form-data;name=json\n\n1\n--b--"))
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		document, absent := multipartDocument(contentType, raw, "json")
		if len(document) > 0 && (absent || !bytes.Contains(raw, document)) {
			t.Fatalf("%q is nowhere in %q, or absent: %v", document, raw, absent)
		}
		if document := fieldsDocument(raw); document != nil && !json.Valid(document) {
			t.Fatalf("the fields of %q are no JSON: %q", raw, document)
		}
	})
}
