package expression

import (
	"errors"
	"testing"
)

// Whatever is written as an expression is refused with its place, or decides about any event.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		`event.type == "star.created" && data.repository.full_name == "acme/mugs"`, `data.commits.exists(c, c.author.name == "x")`,
		`has(data.a.b) || data["x"][0] == 1`, `[1, 2].map(x, x * 2).size() > data.n`, `event.type.matches("^a+$")`, `data.`, `"\xff" + '`, `{"a": data}.a == data`,
		`"%d %s".format([event.sequence, data]) == "x"`, `event.id.replace("", "xx") != ""`,
	} {
		f.Add(text)
	}
	c := compiler(f)
	events := []Event{delivery(f, "github/star.created"), delivery(f, "gitlab/push"), stored(f, "github", "push", nil)}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := c.Compile(text, Scope{})
		if err != nil {
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Line < 1 || wrong.Column < 1 || wrong.Message == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		for _, ev := range events {
			p.examine(ev)
		}
	})
}

// Whatever is stored as an event gets a verdict.
func FuzzExamine(f *testing.F) {
	for _, name := range []string{"github/star.created", "github/push", "gitlab/push"} {
		f.Add(delivery(f, name).Encoded)
	}
	p := compile(f, `data.ref == "x" || data.commits.exists(c, c.author.name == event.id)`, Scope{})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		if v := p.examine(Event{Encoded: encoded}); v != Pass && v != Drop && v != Fail {
			t.Errorf("got %d", v)
		}
	})
}
