package client_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// nameless is an error as Go makes it easy to return by mistake: a nil pointer in an error that isn't nil. Its text is a panic.
type nameless struct{ name string }

func (n *nameless) Error() string { return n.name }

// once is a function of a program that goes wrong the first time.
func once(wrong func()) func() {
	done := false
	return func() {
		if !done {
			done = true
			wrong()
		}
	}
}

// What goes wrong in a function of the program ends neither the process nor the stream: events come and are acknowledged afterwards.
func TestPanicsAreContained(t *testing.T) {
	panics := func() func() { return once(func() { panic("at the disco") }) }
	for name, tc := range map[string]struct {
		options func(wrong func()) client.Option
		wrong   func()
		dial    []client.DialOption
		cause   func(b *clienttest.Bridge)
	}{
		"OnConnected": {wrong: panics(), options: func(wrong func()) client.Option {
			return client.OnConnected(func(*hookbridgev1.Confirmed) { wrong() })
		}},
		"OnDisconnected": {wrong: panics(), options: func(wrong func()) client.Option {
			return client.OnDisconnected(func(error, time.Duration) { wrong() })
		}, cause: func(b *clienttest.Bridge) { b.Disconnect(nil) }},
		"OnGap": {wrong: panics(), options: func(wrong func()) client.Option {
			return client.OnGap(func(*hookbridgev1.Gap) { wrong() })
		}, cause: func(b *clienttest.Bridge) { b.Gap(1, 2) }},
		"token source": {dial: []client.DialOption{client.WithTokenSource(func() client.TokenSource {
			wrong := panics()
			return func(context.Context) (string, error) { wrong(); return "a-token", nil }
		}())}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				options := []client.Option{strict, onUser(func(context.Context, int64) error { return nil })}
				if tc.options != nil {
					options = append(options, tc.options(tc.wrong))
				}
				r := against(t, b, b.Client(tc.dial...), "contained", options...)
				if tc.cause != nil {
					tc.cause(b)
				}
				user(b, 1).AwaitAcknowledged()
				r.stop()
			})
		})
	}
}

// However a handler fails, its event is given back, the reason is told, and its place is not lost.
func TestEveryFailureOfAHandlerGivesItsEventBack(t *testing.T) {
	for name, tc := range map[string]struct {
		fail      func() error
		onFailure func()
		want      string
	}{
		"panic":                   {fail: func() error { panic("at the disco") }, want: "panic in the handler: at the disco"},
		"an error without a text": {fail: func() error { return (*nameless)(nil) }, want: "panic in the handler: runtime error: invalid memory address or nil pointer dereference"},
		"and it says what to do":  {fail: func() error { return client.RetryNow((*nameless)(nil)) }, want: "panic in the handler: runtime error: invalid memory address or nil pointer dereference"},
		"the goroutine ends":      {fail: func() error { runtime.Goexit(); return nil }, want: "the handler ended its goroutine"},
		"OnFailure panics":        {fail: func() error { return errors.New("not now") }, onFailure: func() { panic("at the disco") }, want: "not now"},
		"OnFailure ends the goroutine": {
			fail: func() error { return errors.New("not now") }, onFailure: runtime.Goexit, want: "not now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				first := true
				options := client.Options(strict, onUser(func(context.Context, int64) error {
					if first {
						first = false
						return tc.fail()
					}
					return nil
				}))
				if tc.onFailure != nil {
					options = client.Options(options, client.OnFailure(func(*client.Event, error) { tc.onFailure() }))
				}
				r := against(t, b, b.Client(), "contained", options)
				e := user(b, 1)
				if got := e.AwaitRejected().Rejection.GetError(); got != tc.want {
					t.Errorf("want %q\ngot  %q", tc.want, got)
				}
				e.AwaitAcknowledged()
				r.stop()
			})
		})
	}
}

// A callback that ends the goroutine which receives ends Subscribe, which would wait for nothing otherwise.
func TestACallbackThatEndsItsGoroutineEndsSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t)
		r := subscribe(t, b.Client(), "gone", client.Otherwise(client.Skip), client.OnConnected(func(*hookbridgev1.Confirmed) { runtime.Goexit() }))
		const want = "subscribe: a callback ended the goroutine that it was called in"
		if err := r.wait(); err == nil || err.Error() != want {
			t.Errorf("want %q, got %v", want, err)
		}
	})
}
