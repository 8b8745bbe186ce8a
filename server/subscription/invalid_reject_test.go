package subscription

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// What is out of bounds is refused by the field's path, and nothing of the call is applied.
func TestRejectionsAndExtensionsOutOfBoundsAreRefused(t *testing.T) {
	long := strings.Repeat("a", 2000)
	reject := func(name string, rejections ...*hookbridgev1.Rejection) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			_, err := b.client.Reject(ctx, &hookbridgev1.RejectRequest{Subscription: name, Rejections: rejections})
			return err
		}
	}
	extend := func(name string, by *durationpb.Duration, ids ...string) func(context.Context, *bridge) error {
		return func(ctx context.Context, b *bridge) error {
			_, err := b.client.ExtendDeadline(ctx, &hookbridgev1.ExtendDeadlineRequest{Subscription: name, AckIds: ids, Extension: by})
			return err
		}
	}
	one := func(id string, how *hookbridgev1.Rejection) *hookbridgev1.Rejection {
		return &hookbridgev1.Rejection{AckId: id, Action: how.GetAction(), Error: how.GetError()}
	}
	const name = `want a letter and then at most 62 of a-z, 0-9, '.', '_' and '-', got `
	for _, tc := range []struct {
		call func(context.Context, *bridge) error
		want string
	}{
		{reject("", one("x", retry())), `subscription: ` + name + `""`},
		{reject("A", one("x", retry())), `subscription: ` + name + `"A"`},
		{reject("a"), "rejections: want 1 to 10000, got 0"},
		{reject("a", make([]*hookbridgev1.Rejection, 10_001)...), "rejections: want 1 to 10000, got 10001"},
		{reject("a", one("x", retry()), one("", retry())), "rejections[1].ack_id: want 1 to 256 characters, got 0"},
		{reject("a", one(long, retry())), "rejections[0].ack_id: want 1 to 256 characters, got 2000"},
		{reject("a", one("x", forGood(long))), "rejections[0].error: want at most 1024 characters, got 2000"},
		{reject("a", one("x", retryAfter(-second))), "rejections[0].retry_after: want 0s to 24h, got -1s"},
		{reject("a", one("x", retryAfter(24*time.Hour+1))), "rejections[0].retry_after: want 0s to 24h, got 24h0m0.000000001s"},
		{
			reject("a", &hookbridgev1.Rejection{AckId: "x", Action: &hookbridgev1.Rejection_RetryAfter{RetryAfter: &durationpb.Duration{Seconds: 1, Nanos: -1}}}),
			"rejections[0].retry_after: want nanos below a second, of the same sign as the seconds",
		},
		{extend("", nil, "x"), `subscription: ` + name + `""`},
		{extend("a", nil), "ack_ids: want 1 to 10000, got 0"},
		{extend("a", nil, "x", ""), "ack_ids[1]: want 1 to 256 characters, got 0"},
		{extend("a", durationpb.New(999*time.Millisecond), "x"), "extension: want 1s to 1h, got 999ms"},
		{extend("a", durationpb.New(time.Hour+1), "x"), "extension: want 1s to 1h, got 1h0m0.000000001s"},
		{extend("a", &durationpb.Duration{Nanos: 2e9}, "x"), "extension: want nanos below a second, of the same sign as the seconds"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bridge) {
				s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
				b.fill(1, "push")
				s.delivery()
				refused(t, tc.call(t.Context(), b), "InvalidArgument INVALID_ARGUMENT: "+tc.want)
				s.quiet()
			})
		})
	}
	bubble(t, func(t *testing.T, b *bridge) {
		const unknown = `NotFound SUBSCRIPTION_NOT_FOUND: there is no subscription "nobody"`
		refused(t, reject("nobody", one("x", retry()))(t.Context(), b), unknown)
		refused(t, extend("nobody", nil, "x")(t.Context(), b), unknown)
	})
}

// The longest that is allowed is taken, counted in characters.
func TestTheLongestErrorIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: "a"})
		b.fill(1, "push")
		why := strings.Repeat("ü", 1024)
		s.rejects(forGood(why), s.delivery())
		equal(t, "dead letters", b.buried("a"), []dead{{1, 1, 1, deadForGood, why}})
	})
}
