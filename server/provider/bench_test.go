package provider

import (
	"net/url"
	"strings"
	"testing"
)

// BenchmarkReceive is all that is done with a delivery of 1 KB before it is decoded: its signature, and its id, type, time and ordering key.
func BenchmarkReceive(b *testing.B) {
	catalogue, err := Builtin()
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"id":"evt_1","object":"event","created":1772355600,"type":"invoice.paid","data":{"object":{"id":"in_1","lines":[` +
		strings.TrimSuffix(strings.Repeat(`{"id":"il_1","amount":4200,"currency":"eur","description":"A mug, blue"},`, 12), ",") + `]}}}`)
	for _, key := range []string{"stripe", "github"} {
		b.Run(key, func(b *testing.B) {
			pack, _ := catalogue.Get(key)
			source, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{"whsec_test"}})
			if err != nil {
				b.Fatal(err)
			}
			header, err := source.Sign(&url.URL{}, body, "invoice.paid", "id-1", now)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := source.Receive(b.Context(), post(header, body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
