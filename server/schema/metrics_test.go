package schema_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookbridge/hookbridge/server/schema"
)

// Outcomes are counted under names of the schema, and nothing that a sender makes up becomes a label.
func TestMetrics(t *testing.T) {
	registerer := prometheus.NewRegistry()
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}, Registerer: registerer})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct{ provider, typ, document string }{
		{"shopify", "orders/create", `{"id":1}`},
		{"stripe", "invoice.paid", `{"data":{"object":{}}}`},
		{"stripe", "invoice.paid", `{}`},
		{"stripe", "invoice.voided", `{"id":7,"data":{"object":{"lines":{"data":[{"id":1},{"id":2}]}}}}`},
		{"stripe", "a.made.up.type", `{}`},
		{"github", "push", `{"made_up":"\ud800"}`},
		{"github", "push", `[]`},
		{"slack", "message", `{"event":{"type":"message","message":{"text":7}}}`},
		{"slack", "message", `{"event":{"type":"message","message":{"message":{"text":7}}}}`},
	} {
		registry.Decode(d.provider, d.typ, []byte(d.document))
		registry.Redecode(d.provider, d.typ, []byte(d.document))
	}
	const want = `
# HELP hookbridge_decode_mismatch_total Documents that did not fit the schema, by the field where they did not (other: none of the schema's).
# TYPE hookbridge_decode_mismatch_total counter
hookbridge_decode_mismatch_total{field="data.object",provider="stripe",type="invoice.*"} 1
hookbridge_decode_mismatch_total{field="data.object.lines.data.id",provider="stripe",type="invoice.*"} 1
hookbridge_decode_mismatch_total{field="id",provider="stripe",type="invoice.*"} 1
hookbridge_decode_mismatch_total{field="other",provider="github",type="push"} 2
hookbridge_decode_mismatch_total{field="other",provider="slack",type="message"} 2
# HELP hookbridge_decode_total Documents decoded, by the element of the schema that claims their type (other: none does) and the outcome.
# TYPE hookbridge_decode_total counter
hookbridge_decode_total{provider="github",state="undecodable",type="push"} 2
hookbridge_decode_total{provider="shopify",state="typed",type="orders/create"} 1
hookbridge_decode_total{provider="slack",state="mismatch",type="message"} 2
hookbridge_decode_total{provider="stripe",state="mismatch",type="invoice.*"} 2
hookbridge_decode_total{provider="stripe",state="typed",type="invoice.*"} 1
hookbridge_decode_total{provider="stripe",state="untyped",type="other"} 1
`
	if err := testutil.GatherAndCompare(registerer, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
