package client

import (
	"context"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Where nobody has set a tracer up, spans cost no memory.
func TestSpansThatNobodyMakesCostNothing(t *testing.T) {
	c, err := Dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	u := &subscriber{client: c, router: &router{}, tracing: c.tracing.of("s")}
	d := &delivery{event: Event{Event: &hookbridgev1.Event{}}, handler: &handler{call: func(context.Context, *Event) error { return nil }}}
	ctx := t.Context()
	call := func() {
		if err := u.call(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	// The first one finds out.
	call()
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}
