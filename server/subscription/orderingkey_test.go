package subscription

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func TestOrderingKeyOfAnEncodedEvent(t *testing.T) {
	const digest = "sha256:_-BU_nrgy23GXDr5th1SCfQ5hR20PQulmXM33xVGaOs"
	for name, tc := range map[string]struct {
		event *hookbridgev1.Event
		more  string
		want  string
	}{
		"none":         {event: &hookbridgev1.Event{Id: "1", Type: "push"}},
		"some":         {event: &hookbridgev1.Event{Id: "1", OrderingKey: "acme/mugs", Data: &anypb.Any{Value: make([]byte, 1000)}}, want: "acme/mugs"},
		"the last one": {event: &hookbridgev1.Event{OrderingKey: "first"}, more: "\x42\x04last", want: "last"},
		"cut off":      {event: &hookbridgev1.Event{OrderingKey: "first"}, more: "\x42\x04la"},
		"no tag":       {event: &hookbridgev1.Event{OrderingKey: "first"}, more: "\xff"},
		"short":        {event: &hookbridgev1.Event{OrderingKey: strings.Repeat("a", 63)}, want: strings.Repeat("a", 63)},
		"long":         {event: &hookbridgev1.Event{OrderingKey: strings.Repeat("a", 64)}, want: digest},
		"no text":      {event: &hookbridgev1.Event{}, more: "\x42\x01\xff", want: "sha256:qBAK5qoZQNC2Y7sxzUZhQuu9vVGHExuS2TgYmHgy64k"},
	} {
		encoded, err := proto.Marshal(tc.event)
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, tc.more...)
		got := orderingKey(encoded)
		clear(encoded) // it shares nothing
		equal(t, name, got, tc.want)
	}
}

// What is read by hand is what protobuf reads, and fits a record.
func FuzzOrderingKey(f *testing.F) {
	f.Add([]byte("\x42\x04last"))
	f.Add([]byte("\x0a\x011\x42\x00"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		got := orderingKey(encoded)
		if !utf8.ValidString(got) || len(got) > longKey {
			t.Errorf("the key is %q", got)
		}
		var event hookbridgev1.Event
		if proto.Unmarshal(encoded, &event) == nil && len(event.GetOrderingKey()) < longKey && got != event.GetOrderingKey() {
			t.Errorf("got %q, want %q", got, event.GetOrderingKey())
		}
	})
}
