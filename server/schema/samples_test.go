package schema_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Every built-in message has a sample that `hookbridge send` can post, and every sample fits its message.
func TestEveryBuiltInMessageHasASample(t *testing.T) {
	registry := builtin(t)
	sampled := map[protoreflect.FullName]bool{}
	for _, sample := range ownFixtures(t, samples) {
		decoded := registry.Decode(sample.provider, sample.typ, sample.document)
		want := hookbridgev1.Decoding_STATE_TYPED
		if _, ok := registry.Lookup(sample.provider, sample.typ); !ok {
			want = hookbridgev1.Decoding_STATE_UNTYPED
		}
		if decoded.Decoding.GetState() != want {
			t.Errorf("%s: want %s, got %s", sample.path, want, decoded.Decoding)
		}
		sampled[decoded.MessageName] = true
	}
	for _, event := range registry.Types() {
		if name := event.Message.FullName(); !sampled[name] {
			t.Errorf("%s: want a sample for one of %q in %s/%s, got none", name, event.Elements, samples, event.Provider)
		}
	}
}
