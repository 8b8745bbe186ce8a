package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Kinds of events that a handler of user_created can't take, by what they are called in the cases.
var unfitting = map[string]func(*clienttest.Bridge) *clienttest.Published{
	"unhandled": func(b *clienttest.Bridge) *clienttest.Published { return payment(b, 1) },
	"another provider": func(b *clienttest.Bridge) *clienttest.Published {
		return b.PublishJSON("demo", "user_created", `{}`, clienttest.Provider("acme"))
	},
	"mismatched": func(b *clienttest.Bridge) *clienttest.Published {
		return b.PublishJSON("demo", "user_created", `{"user_id":"many"}`, clienttest.Provider("hmac"))
	},
	"untyped": func(b *clienttest.Bridge) *clienttest.Published {
		return user(b, 1, func(e *hookbridgev1.Event) {
			// As from a bridge that doesn't know the message.
			e.Data, e.Decoding.State = &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Struct"}, hookbridgev1.Decoding_STATE_UNTYPED
		})
	},
	"no JSON": func(b *clienttest.Bridge) *clienttest.Published {
		return b.PublishJSON("demo", "user_created", `[1]`, clienttest.Provider("hmac"))
	},
	"too large": func(b *clienttest.Bridge) *clienttest.Published {
		return b.PublishJSON("demo", "user_created", `{"user_id":1,"name":"`+strings.Repeat("x", 2000)+`"}`, clienttest.Provider("hmac"))
	},
	"garbage": func(b *clienttest.Bridge) *clienttest.Published {
		return user(b, 1, func(e *hookbridgev1.Event) {
			e.Data = &anypb.Any{TypeUrl: e.GetData().GetTypeUrl(), Value: []byte{0xff}}
		})
	},
}

// Each kind of event that a handler can't take goes to its own policy, and to no other.
func TestPoliciesByKind(t *testing.T) {
	for kind, want := range map[string]string{
		"unhandled": "otherwise", "another provider": "otherwise", "mismatched": "mismatched", "untyped": "mismatched",
		"no JSON": "undecodable", "too large": "undecodable", "garbage": "undecodable",
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := clienttest.New(t)
				var got []string
				policy := func(name string) client.Policy {
					return func(context.Context, *client.Event) error {
						got = append(got, name)
						return nil
					}
				}
				r := against(t, b, b.Client(), "policies", client.Types("*"), client.MaxEventBytes(1024), client.Otherwise(policy("otherwise")), client.OnMismatched(policy("mismatched")),
					client.OnUndecodable(policy("undecodable")), onUser(func(context.Context, int64) error { return errors.New("called") }))
				unfitting[kind](b).AwaitAcknowledged()
				r.stop()
				if fmt.Sprint(got) != "["+want+"]" {
					t.Errorf("went to %v, want %s", got, want)
				}
			})
		})
	}
}

// Skip acknowledges, Retry gives back, Park makes a dead letter, Stop ends Subscribe; each says why, in words without values.
func TestReadyMadePolicies(t *testing.T) {
	texts := map[string]string{
		"unhandled":  "no handler takes event 1, payment_succeeded of demo (STATE_TYPED)",
		"mismatched": "event 1, user_created of demo, doesn't fit its message: user_id",
		"no JSON":    "event 1, user_created of demo, has no data that can be decoded",
		"too large":  "event 1, user_created of demo, was too large to be sent with its data",
		"untyped":    "no handler takes event 1, user_created of demo (STATE_UNTYPED)",
		"garbage":    "event 1, user_created of demo, has data that is not its handler's message",
	}
	for kind, text := range texts {
		for name, policy := range map[string]client.Policy{"Skip": client.Skip, "Retry": client.Retry, "Park": client.Park, "Stop": client.Stop} {
			t.Run(kind+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := clienttest.New(t, clienttest.MaxAttempts(2))
					r := against(t, b, b.Client(), "policies", client.Types("*"), client.MaxEventBytes(1024), client.Otherwise(policy), client.OnMismatched(policy), client.OnUndecodable(policy),
						onUser(func(context.Context, int64) error { return errors.New("called") }))
					e := unfitting[kind](b)
					switch name {
					case "Skip":
						e.AwaitAcknowledged()
					case "Retry":
						if got := e.AwaitDeadLettered(); got.Attempt != 2 || got.Rejection.GetError() != text || got.Rejection.GetAction() != nil {
							t.Errorf("got %v", got)
						}
					case "Park":
						got := e.AwaitDeadLettered()
						if _, park := got.Rejection.GetAction().(*hookbridgev1.Rejection_DeadLetter); got.Attempt != 1 || got.Rejection.GetError() != text || !park {
							t.Errorf("got %v", got)
						}
					case "Stop":
						if err := r.wait(); !errors.Is(err, client.ErrStop) || err.Error() != "stopped by a handler: "+text {
							t.Errorf("got %v", err)
						}
						return
					}
					r.stop()
				})
			})
		}
	}
}
