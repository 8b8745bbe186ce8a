package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a group's messages become: each has the number that it is stored under, or the whole group is in doubt. The stream takes messages of
// up to 8 bytes; 's' stands for one that it stores and 'x' for one that it refuses.
func TestPublisherNumbersItsMessages(t *testing.T) {
	for _, tc := range []struct {
		group  string
		shared bool
		// want are the numbers, counted from the first that the stream has free; 0 for a message that was refused.
		want []int64
		err  string
	}{
		{group: "s", want: []int64{1}},
		{group: "x", want: []int64{0}},
		{group: "ss", want: []int64{1, 2}},
		{group: "sx", want: []int64{1, 0}},
		{group: "ssssss", want: []int64{1, 2, 3, 4, 5, 6}},
		{group: "ssxsss", err: "of 6 messages 5 were stored"},
		{group: "xsss", err: "message size exceeds maximum allowed"},
		{group: "sssx", err: "message size exceeds maximum allowed"},
		{group: "ssxs", shared: true, want: []int64{1, 2, 0, 3}},
		{group: "xssx", shared: true, want: []int64{0, 1, 2, 0}},
	} {
		t.Run(fmt.Sprintf("%s shared=%v", tc.group, tc.shared), func(t *testing.T) {
			p := testPublisher(t, tc.shared)
			// Numbers are the stream's: it is not empty.
			if err := p.send([]*publication{{subject: "t.x", payload: []byte("before")}}, time.Minute, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			group := make([]*publication, len(tc.group))
			for i, c := range tc.group {
				group[i] = &publication{subject: "t.x", payload: []byte("payload")}
				if c == 'x' {
					group[i].payload = bytes.Repeat([]byte{'x'}, 9)
				}
			}
			err := p.send(group, time.Minute, func() error { return nil })
			if text(err) != "" || tc.err != "" {
				if tc.err == "" || !strings.Contains(text(err), tc.err) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			for i, want := range tc.want {
				if want > 0 {
					want++
				}
				if got := group[i]; got.sequence != want || (got.err == nil) != (want > 0) {
					t.Errorf("message %d: got number %d and %v, want %d", i, got.sequence, got.err, want)
				}
			}
		})
	}
}

func testPublisher(t *testing.T, shared bool) *publisher {
	t.Helper()
	e, err := startEmbedded(t.TempDir(), &serverLog{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	nc, err := nats.Connect("", e.dial())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "t", Subjects: []string{"t.>"}, MaxMsgSize: 8}); err != nil {
		t.Fatal(err)
	}
	p, err := newPublisher(nc, "t", shared)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
