package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hmacv1 "github.com/hookbridge/hookbridge/gen/hookbridge/hmac/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// What a person and what a program sees of an event. Nothing that a sender wrote reaches the terminal as a control character.
func TestPrinter(t *testing.T) {
	data, err := anypb.New(&hmacv1.UserCreated{UserId: 42})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 5e6, time.Local)
	e := &hookbridgev1.Event{
		Id: "evil\x1b[2J", Source: "demo", Type: "user_created", Sequence: 7, ReceivedAt: timestamppb.New(at), Data: data,
		Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_TYPED},
		Content:  &hookbridgev1.Content{Body: []byte("{\n\"a\":\"\x07\"}")},
	}
	for name, tc := range map[string]struct {
		printer printer
		want    []string
	}{
		"plain": {printer{}, []string{
			`09:00:00.005  demo  user_created  #7  evil\x1b[2J`,
			`  hookbridge.hmac.v1.UserCreated`,
			`  {`,
			`    "user_id": "42"`,
			`  }`,
			`  | {`,
			`  | "a":"\a"}`,
		}},
		"colours": {printer{color: true}, []string{
			"\x1b[2m09:00:00.005\x1b[0m  \x1b[36mdemo\x1b[0m  \x1b[1muser_created\x1b[0m  \x1b[2m#7\x1b[0m  \x1b[2mevil\\x1b[2J\x1b[0m",
			"  \x1b[2mhookbridge.hmac.v1.UserCreated\x1b[0m",
			`  {`,
			`    "user_id": "42"`,
			`  }`,
			"  \x1b[2m|\x1b[0m {",
			"  \x1b[2m|\x1b[0m \"a\":\"\\a\"}",
		}},
		"json": {printer{json: true}, []string{
			`{"id":"evil\u001b[2J","source":"demo","type":"user_created","sequence":"7","received_at":"` + at.UTC().Format("2006-01-02T15:04:05.000Z") +
				`","data":{"@type":"type.googleapis.com/hookbridge.hmac.v1.UserCreated","user_id":"42"},"decoding":{"state":"STATE_TYPED"},"content":{"body":"ewoiYSI6IgcifQ=="}}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			tc.printer.out = &b
			if err := tc.printer.print(e); err != nil {
				t.Fatal(err)
			}
			if want := strings.Join(tc.want, "\n") + "\n"; b.String() != want {
				t.Errorf("want\n%s\ngot\n%s", want, b.String())
			}
		})
	}
}

// What doesn't fit is said with the place where it stands, if it has one; and one byte is one byte.
func TestPrinterShowsViolations(t *testing.T) {
	e := &hookbridgev1.Event{
		Id: "2", Source: "demo", Type: "x", Sequence: 8, Content: &hookbridgev1.Content{Body: []byte{0xff}},
		Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNDECODABLE, Violations: []*hookbridgev1.Violation{
			{Message: "not JSON: not valid UTF-8"}, {Field: "user.id", Message: "want a number"},
		}},
	}
	var b bytes.Buffer
	p := printer{out: &b}
	if err := p.print(e); err != nil || !strings.HasSuffix(b.String(), "\n  undecodable\n  not JSON: not valid UTF-8\n  user.id: want a number\n  1 byte that is no text\n") {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 deliveries", 1: "1 delivery", 2: "2 deliveries"} {
		if got := counted(n, "delivery", "deliveries"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Who reads along is told what is suspicious.
func TestPrinterMarksReplays(t *testing.T) {
	e := &hookbridgev1.Event{
		Id: "2", Source: "github", Type: "push", Sequence: 8, Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNDECODABLE},
		Auth: &hookbridgev1.Authenticity{BodyCovered: true, ReplaySuspected: true, ReplayOf: 7},
	}
	var b bytes.Buffer
	p := printer{out: &b}
	if err := p.print(e); err != nil || !strings.HasSuffix(b.String(), "  undecodable\n  suspected replay of #7: the same body under another id\n") {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// Data of a message that nobody knows ends neither a table nor a stream of JSON: it is shown by its type and bytes.
func TestPrinterOfUnknownMessages(t *testing.T) {
	e := &hookbridgev1.Event{
		Id: "1", Sequence: 7, Data: &anypb.Any{TypeUrl: "type.googleapis.com/acme.v1.Gone", Value: []byte{8, 1}},
		Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_TYPED},
	}
	for want, p := range map[string]printer{
		`{"id":"1","sequence":"7","decoding":{"state":"STATE_TYPED"},"data":{"@type":"type.googleapis.com/acme.v1.Gone","@value":"CAE="}}` + "\n": {json: true},
		"  a message that neither this build nor the bridge knows; --content shows the body\n":                                                    {},
	} {
		var b bytes.Buffer
		p.out = &b
		if err := p.print(e); err != nil || !strings.HasSuffix(b.String(), want) {
			t.Errorf("want %q, got %q, %v", want, b.String(), err)
		}
	}
}
