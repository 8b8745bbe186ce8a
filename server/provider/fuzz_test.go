package provider

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// FuzzReceive: whatever is in the headers that a pack looks at, without the secret no pack takes a delivery, and each refusal is one of
// those that are documented.
func FuzzReceive(f *testing.F) {
	c := catalogue(f)
	var sources []*Source
	var headers [][]string
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		secrets := []string{"0c6c5a1ce3a04b41a4bb4c8d4a4b2f31"}
		if key == "standard_webhooks" || key == "gitlab" {
			secrets = []string{"whsec_7Ok0rR5QkNwJ8bYc8bVQe1sG0o1i3pXK"}
		}
		s, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: secrets})
		if err != nil {
			f.Fatal(err)
		}
		var names []string
		for _, spec := range pack.Spec().GetSchemes() {
			for _, place := range spec.GetSignature() {
				names = append(names, place.GetHeader())
			}
			for _, place := range spec.GetId() {
				names = append(names, place.GetHeader())
			}
			for _, place := range spec.GetTimestamp().GetAt() {
				names = append(names, place.GetHeader())
			}
		}
		sources, headers = append(sources, s), append(headers, names)
	}
	for n := range sources {
		for _, v := range ownVectors {
			if v.Provider != sources[n].Provider() {
				continue
			}
			var values []string
			for _, name := range headers[n] {
				values = append(values, v.Headers[name])
			}
			f.Add(uint8(n), strings.Join(values, "\n"), "application/json", []byte(v.Body))
		}
		f.Add(uint8(n), "t=1772355600,v1=00\nid\n1772355600", "application/x-www-form-urlencoded", []byte("payload=%7B%22type%22%3A%22url_verification%22%7D"))
		f.Add(uint8(n), "v1,AAAA\n\n", "", []byte(`{"type":"url_verification","challenge":"x"}`))
	}
	f.Fuzz(func(t *testing.T, n uint8, values, contentType string, body []byte) {
		i := int(n) % len(sources)
		h := http.Header{"Content-Type": {contentType}}
		list := strings.Split(values, "\n")
		for m, name := range headers[i] {
			name = http.CanonicalHeaderKey(name)
			if m < len(list) && list[m] != "" {
				h[name] = append(h[name], list[m])
			}
		}
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			outcome, err := sources[i].Receive(&delivery.Request{Method: method, URL: &url.URL{Path: "/webhooks/s"}, Header: h, Body: body, ReceivedAt: now})
			if err == nil || !reflect.DeepEqual(outcome, Outcome{}) {
				t.Fatalf("%s took a forged delivery: %v", sources[i].Provider(), h)
			}
			if !errors.Is(err, ErrSignatureMissing) && !errors.Is(err, ErrSignatureMalformed) && !errors.Is(err, ErrSignatureMismatch) && !errors.Is(err, ErrMediaType) {
				t.Fatalf("undocumented error %v", err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("the error isn't fit for a sender: %q", err)
			}
		}
	})
}

// FuzzParse: a file is a pack that works or an error that names the file, and a pack refuses a delivery that has nothing of it.
func FuzzParse(f *testing.F) {
	entries, err := fs.ReadDir(files, "packs")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		data, err := fs.ReadFile(files, "packs/"+entry.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.TrimSuffix(entry.Name(), ".yaml"), data)
	}
	f.Add("a", []byte("key: a\nschemes: [{name: x, algorithm: token, signature: [{json: a..b}]}]"))
	f.Add("a", []byte("key: a\nkey: b\n"))
	f.Add("a", []byte("&a [*a]"))
	f.Add("a", []byte("key: a\r\nx: 1"))
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		file := "packs/" + key + ".yaml"
		pack, err := Parse(file, data)
		if err != nil {
			if pack != nil || !strings.HasPrefix(err.Error(), file) {
				t.Fatalf("the error doesn't begin with the file: %v", err)
			}
			return
		}
		s, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{"user:secret"}, PublicURL: true})
		if err != nil {
			if !strings.HasPrefix(err.Error(), `source "s": `) || strings.Contains(err.Error(), "user:secret") {
				t.Fatalf("got %v", err)
			}
			return
		}
		outcome, err := s.Receive(&delivery.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: []byte("x"), ReceivedAt: now})
		if err == nil && outcome.Verified != nil {
			t.Fatal("a delivery without a signature was taken")
		}
	})
}
