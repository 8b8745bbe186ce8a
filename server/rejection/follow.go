package rejection

import (
	"sync"

	"google.golang.org/grpc"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

const (
	// maxFollowers is how many may follow at the same time, maxBehind how many refusals wait for one that is slow.
	maxFollowers, maxBehind = 16, 32
)

// followers are those who are sent refusals as they come.
type followers struct {
	ended <-chan struct{}
	mu    sync.Mutex
	all   map[*follower]struct{}
}

// follower is one of them.
type follower struct {
	source string
	next   chan *hookbridgev1.FollowRejectionsResponse
	// missed are those that had no room, since the last one that had. The lock of followers guards it.
	missed int64
}

// add returns nil where there are too many already.
func (f *followers) add(source string) *follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) >= maxFollowers {
		return nil
	}
	if f.all == nil {
		f.all = map[*follower]struct{}{}
	}
	one := &follower{source: source, next: make(chan *hookbridgev1.FollowRejectionsResponse, maxBehind)}
	f.all[one] = struct{}{}
	return one
}

func (f *followers) remove(one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, one)
}

// send gives an entry to everybody who wants it. It waits for nobody.
func (f *followers) send(entry *hookbridgev1.RefusedDelivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.all {
		if one.source != "" && one.source != entry.GetSource() {
			continue
		}
		select {
		case one.next <- &hookbridgev1.FollowRejectionsResponse{Rejection: entry, Missed: one.missed}:
			one.missed = 0
		default:
			one.missed++
		}
	}
}

// Follow sends refusals of this bridge as they come, until the caller goes or the bridge shuts down. The first of them comes after the
// stream's header.
func (l *Log) Follow(req *hookbridgev1.FollowRejectionsRequest, stream grpc.ServerStreamingServer[hookbridgev1.FollowRejectionsResponse]) error {
	one := l.followers.add(req.GetSource())
	if one == nil {
		return fault.Detail(fault.ErrOverloaded, "%d follow the rejections already, which is as many as may", maxFollowers)
	}
	defer l.followers.remove(one)
	// A caller who has seen it misses nothing from then on.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	for {
		select {
		case m := <-one.next:
			if err := stream.Send(m); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-l.ended:
			return fault.ErrShuttingDown
		}
	}
}
