package expression

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/schema"
)

// builtin is a compiler for the messages that are compiled in.
var builtin = sync.OnceValues(func() (*Compiler, error) {
	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}})
	if err != nil {
		return nil, err
	}
	return NewCompiler(registry)
})

func compiler(t testing.TB) *Compiler {
	t.Helper()
	c, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func compile(t testing.TB, text string, in Scope) *Program {
	t.Helper()
	p, err := compiler(t).Compile(text, in)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// sample is the body of a real delivery, by its path under the repository's folders of samples.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	for _, dir := range []string{"../../provider/samples", "../../schema/testdata"} {
		if body, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)+".json")); err == nil {
			return body
		}
	}
	t.Fatalf("there is no sample %s", name)
	return nil
}

// received is when the events of the tests were received.
var received = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// stored is an event as the journal has it: of a provider and type, with a body that is decoded by the registry.
func stored(t testing.TB, provider, typ string, body []byte) Event {
	t.Helper()
	decoded := compiler(t).registry.Redecode(provider, typ, body)
	event := &hookbridgev1.Event{
		Id: "d-1", Source: provider + "-eu", Provider: provider, Type: typ, ReceivedAt: timestamppb.New(received),
		OrderingKey: "acme/mugs", Data: decoded.Data, Decoding: decoded.Decoding,
		Auth: &hookbridgev1.Authenticity{Scheme: "hmac-sha256", BodyCovered: true},
	}
	encoded, err := proto.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return Event{Encoded: encoded}
}

// delivery is the event of a sample, whose name says the provider and, up to "@", the type.
func delivery(t testing.TB, name string) Event {
	t.Helper()
	provider, typ, _ := strings.Cut(name, "/")
	typ, _, _ = strings.Cut(typ, "@")
	return stored(t, provider, strings.ReplaceAll(typ, "~", "/"), sample(t, name))
}

func candidateText(names []protoreflect.FullName) string {
	text := fmt.Sprint(len(names))
	if len(names) > 0 {
		text += " " + string(names[0])
	}
	return text
}
