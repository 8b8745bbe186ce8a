package client_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A bridge that comes back with another journal, as when its disk was lost, has nothing that an ephemeral subscription has seen: that reads
// the new journal from its beginning, rather than to wait until it is as long as the old one.
func TestAJournalThatWasReplaced(t *testing.T) {
	b := open(t)
	b.users(1, 20)
	got := make(chan int64, 100)
	lost := make(chan error, 100)
	c := b.dial()
	far, other := make(chan int64, 100), make(chan *hookbridgev1.Confirmed, 10)
	r := subscribe(t, c, "", beginning, users(got), client.Otherwise(client.Stop), client.Heartbeat(time.Second),
		client.OnDisconnected(func(err error, _ time.Duration) { lost <- err }))
	// Whoever asks for what is still to come gets that, and nothing before it.
	ahead := subscribe(t, c, "", client.From(client.Sequence(24)), users(far), client.Otherwise(client.Stop), client.Heartbeat(time.Second),
		client.OnConnected(func(c *hookbridgev1.Confirmed) { other <- c }))
	// A durable one is gone with its journal, and whoever depends on it is told.
	stood := make(chan *hookbridgev1.Confirmed, 10)
	named := subscribe(t, c, "billing", client.Otherwise(client.Skip), client.OnConnected(func(c *hookbridgev1.Confirmed) { stood <- c }))
	next(t, stood)
	for want := int64(1); want <= 20; want++ {
		if v := next(t, got); v != want {
			t.Fatalf("want user %d, got %d", want, v)
		}
	}
	next(t, other)
	b.stop()
	next(t, lost)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(b.path), "data")); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.users(101, 3)
	for want := int64(101); want <= 103; want++ {
		if v := next(t, got); v != want {
			t.Fatalf("want user %d, got %d", want, v)
		}
	}
	if s := status.Convert(errors.Unwrap(named.wait())); s.Code() != codes.NotFound || s.Message() != `there is no subscription "billing"` {
		t.Errorf("want NotFound, got %v", s)
	}
	r.stop()
	ahead.stop()
	none(t, got)
	none(t, far)
}

// ends is a bridge whose journal ends as each heartbeat of a stream says. A stream ends after its last one, unless that is the last stream.
type ends struct {
	hookbridgev1.UnimplementedEventServiceServer
	streams [][]int64
	starts  chan int64
}

func (e *ends) Subscribe(r *hookbridgev1.SubscribeRequest, s bridgeStream) error {
	start := r.GetStart().GetSequence()
	e.starts <- start
	beats := e.streams[0]
	e.streams = e.streams[1:]
	const end = 21
	messages := []*hookbridgev1.SubscribeResponse{confirmedAs(&hookbridgev1.Confirmed{Position: start, JournalEnd: beats[0], HeartbeatInterval: durationpb.New(time.Second)})}
	for n := max(start, 1); n < min(beats[0], end); n++ {
		messages = append(messages, delivered(&hookbridgev1.Delivery{Event: &hookbridgev1.Event{Sequence: n}}))
	}
	for _, end := range beats[1:] {
		messages = append(messages, beating(&hookbridgev1.Heartbeat{Position: max(start, end), JournalEnd: end}))
	}
	if err := say(s, messages...); err != nil || len(e.streams) > 0 {
		return err
	}
	return hold(s)
}

// A journal is taken for another one only when three heartbeats in a row say so: a bridge that sees the end of the journal which it shares with
// others late has none sent again.
func TestAJournalIsReplacedOnlyForSure(t *testing.T) {
	const kept, other = "the stream ended", "the bridge has another journal than before, which is read from its beginning"
	for _, tc := range []struct {
		name    string
		from    *hookbridgev1.Start
		streams [][]int64
		starts  []int64
		lost    []string
	}{
		{"once", client.Beginning(), [][]int64{{21, 21}, {15, 15, 21}, {21}}, []int64{0, 21, 21}, []string{kept, kept}},
		{"now and then", client.Beginning(), [][]int64{{21, 21}, {15, 15, 15, 21, 15, 15, 21, 15}, {21}}, []int64{0, 21, 21}, []string{kept, kept}},
		{"once on each stream", client.Beginning(), [][]int64{{21}, {15, 15}, {15, 15}, {15, 15}, {15, 15}, {21}}, []int64{0, 21, 21, 21, 21, 21}, []string{kept, kept, kept, kept, kept}},
		{"three times", client.Beginning(), [][]int64{{21, 21}, {4, 4, 4, 5}, {6, 6}, {6}}, []int64{0, 21, 0, 6}, []string{kept, other, kept}},
		{"by what was to come", client.Sequence(40), [][]int64{{21, 21}, {4, 4, 4, 5, 6}, {6}}, []int64{40, 40, 40}, []string{kept, kept}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &ends{streams: tc.streams, starts: make(chan int64, 10)}
				var lost []string
				r := subscribe(t, scripted(t, b), "", client.From(tc.from), client.Otherwise(client.Skip), client.OnDisconnected(func(err error, _ time.Duration) {
					if errors.Is(err, io.EOF) {
						err = errors.New(kept)
					}
					lost = append(lost, err.Error())
				}))
				for n, want := range tc.starts {
					if got := next(t, b.starts); got != want {
						t.Errorf("stream %d: want it from %d, got %d", n, want, got)
					}
				}
				synctest.Wait()
				if !slices.Equal(lost, tc.lost) {
					t.Errorf("want %q\ngot  %q", tc.lost, lost)
				}
				r.stop()
				none(t, b.starts)
			})
		})
	}
}
