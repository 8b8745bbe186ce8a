package provider

import (
	"net/http"
	"net/url"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// A body without a document is told from one whose document can't be read: only the pack says that there need be none.
func TestNoDocumentByDesign(t *testing.T) {
	const (
		json       = "{media_type: application/json"
		form       = "{media_type: application/x-www-form-urlencoded, format: form"
		multipart  = "{media_type: multipart/form-data, format: multipart, field: json"
		urlencoded = "application/x-www-form-urlencoded"
	)
	for _, tc := range []struct {
		name, body, contentType, raw string
		want                         bool
	}{
		{"empty", json + "}", "application/json", "", false},
		{"empty, where it may be", json + ", document_optional: true}", "application/json", "", true},
		{"JSON, where there may be none", json + ", document_optional: true}", "application/json", "{}", false},
		{"no JSON, where there may be none", json + ", document_optional: true}", "application/json", "x", false},
		{"opaque", "{media_type: text/xml, format: opaque}", "text/xml", "<a/>", true},
		{"an empty opaque one", "{media_type: text/xml, format: opaque}", "text/xml", "", true},
		{"a form that never has one", form + "}", urlencoded, "a=1", true},
		{"a form without the field", form + ", field: payload}", urlencoded, "a=1", false},
		{"a form without the field, where it may be", form + ", field: payload, document_optional: true}", urlencoded, "a=1", true},
		{"a form with the field, empty", form + ", field: payload, document_optional: true}", urlencoded, "payload=&a=1", false},
		{"a form with the field", form + ", field: payload, document_optional: true}", urlencoded, "payload=%7B%7D", false},
		{"a form with the field twice", form + ", field: payload, document_optional: true}", urlencoded, "payload=%7B%7D&payload=%7B%7D", false},
		{"multipart without the field", multipart + "}", boundary, formData(`name="a"`, "1"), false},
		{"multipart without the field, where it may be", multipart + ", document_optional: true}", boundary, formData(`name="a"`, "1"), true},
		{"multipart with the field", multipart + ", document_optional: true}", boundary, formData(`name="json"`, "{}"), false},
		{"multipart with the field twice", multipart + ", document_optional: true}", boundary, formData(`name="json"`, "{}", `name="json"`, "{}"), false},
		{"broken multipart", multipart + ", document_optional: true}", boundary, "--", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pack, err := Parse("own.yaml", []byte(`key: own
name: Own
docs_url: https://example.com
schemes: [{name: s, algorithm: token, signature: [{header: X-Token}]}]
bodies: [`+tc.body+`]
retries: true
evidence: [made up]
`))
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := open(t, SourceConfig{Pack: pack, Secrets: []string{"t"}}).Receive(t.Context(), &delivery.Request{
				Method: http.MethodPost, URL: &url.URL{}, Body: []byte(tc.raw), ReceivedAt: now,
				Header: http.Header{"X-Token": {"t"}, "Content-Type": {tc.contentType}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if v := outcome.Verified[0]; v.NoDocument != tc.want || tc.want && v.Document != nil || string(v.Body) != tc.raw {
				t.Errorf("got %v, document %q, body %q", v.NoDocument, v.Document, v.Body)
			}
		})
	}
}

// No event of a fixture is undecodable: a delivery as its provider sends it has a JSON object as its document, or none by design.
func TestNoFixtureIsUndecodable(t *testing.T) {
	const text = "a published signature of a text; the provider sends JSON"
	undecodable := map[string]string{
		"bitbucket: as the documentation signs it":                     text,
		"circleci: as the documentation signs a text":                  text,
		"github: a push, as the documentation signs it":                text,
		"messagebird: the reference of messagebird/go-rest-api":        text,
		"mux: as the library's own test has it":                        text,
		"adyen_platform: a merchant, as adyen-go-api-library tests it": "a published signature of an example with a placeholder that is no JSON",
	}
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		for _, c := range readFixture(t, key).GetCases() {
			if len(c.GetEvents()) == 0 {
				continue
			}
			outcome, err := fixtureSource(t, pack, c).Receive(t.Context(), fixtureRequest(t, c))
			if err != nil {
				t.Errorf("%s: %s: %v", key, c.GetName(), err)
			}
			for _, v := range outcome.Verified {
				if v.NoDocument {
					continue
				}
				if err := protojson.Unmarshal(v.Document, &structpb.Struct{}); err != nil {
					found[key+": "+c.GetName()] = true
					t.Logf("%s: %s: %v, of %.200q", key, c.GetName(), err, v.Body)
				}
			}
		}
	}
	for name := range found {
		if undecodable[name] == "" {
			t.Errorf("%s is undecodable", name)
		}
	}
	for name := range undecodable {
		if !found[name] {
			t.Errorf("%s is no longer undecodable", name)
		}
	}
}
