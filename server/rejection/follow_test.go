package rejection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// follower's stream of a test.
type followed struct {
	grpc.ServerStream
	ctx   context.Context
	block chan struct{}
	mu    sync.Mutex
	got   []string
	ended chan error
}

func (f *followed) Context() context.Context        { return f.ctx }
func (f *followed) SendHeader(md metadata.MD) error { return nil }

func (f *followed) Send(m *hookbridgev1.FollowRejectionsResponse) error {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, fmt.Sprintf("%s -%d", m.GetRejection().GetRequestId(), m.GetMissed()))
	return nil
}

func (f *followed) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

func follow(t *testing.T, l *Log, source string) *followed {
	f := &followed{ctx: t.Context(), ended: make(chan error, 1)}
	go func() { f.ended <- l.Follow(&hookbridgev1.FollowRejectionsRequest{Source: source}, f) }()
	synctest.Wait()
	return f
}

// A follower that is slow delays nobody, and is told how many it missed; one of another source is sent nothing.
func TestSlowFollowersMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Config{Store: journalfake.New().Rejections()})
		if err != nil {
			t.Fatal(err)
		}
		fast, other := follow(t, l, "acme"), follow(t, l, "other")
		slow := &followed{ctx: t.Context(), ended: make(chan error, 1), block: make(chan struct{})}
		go func() { slow.ended <- l.Follow(&hookbridgev1.FollowRejectionsRequest{}, slow) }()
		synctest.Wait()
		const sent = maxBehind + 6
		for n := range sent {
			l.followers.send(&hookbridgev1.RefusedDelivery{RequestId: fmt.Sprint(n), Source: "acme"})
			synctest.Wait()
		}
		close(slow.block)
		synctest.Wait()
		l.followers.send(&hookbridgev1.RefusedDelivery{RequestId: "last", Source: "acme"})
		synctest.Wait()
		if got := len(fast.take()); got != sent+1 {
			t.Errorf("the fast one got %d", got)
		}
		if got := other.take(); got != nil {
			t.Errorf("the other's got %q", got)
		}
		// One was being sent.
		if got := slow.take(); len(got) != maxBehind+2 || got[len(got)-1] != "last -5" {
			t.Errorf("the slow one got %d, the last %q", len(got), got[len(got)-1])
		}
		for n := range maxFollowers - 3 {
			if l.followers.add("") == nil {
				t.Fatalf("follower %d was refused", n)
			}
		}
		if err := l.Follow(&hookbridgev1.FollowRejectionsRequest{}, fast); !errors.Is(err, fault.ErrOverloaded) {
			t.Errorf("one too many: %v", err)
		}
		l.Shutdown()
		for _, f := range []*followed{fast, other, slow} {
			if err := <-f.ended; !errors.Is(err, fault.ErrShuttingDown) {
				t.Errorf("a stream ended with %v", err)
			}
		}
	})
}

// slowStore stores when it may, and fails then if it is to.
type slowStore struct {
	journal.RingLog
	may    chan struct{}
	broken error
}

func (s slowStore) Add(ctx context.Context, owner string, payload []byte) (int64, error) {
	<-s.may
	if s.broken != nil {
		return 0, s.broken
	}
	return s.RingLog.Add(ctx, owner, payload)
}

// Who is told of a refusal finds it in the list. Where it can't be stored they are told all the same.
func TestFollowersAreToldOfWhatIsStored(t *testing.T) {
	for name, broken := range map[string]error{"stored": nil, "not stored": journal.ErrFull} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := slowStore{journalfake.New().Rejections(), make(chan struct{}), broken}
				l, err := New(Config{Store: store})
				if err != nil {
					t.Fatal(err)
				}
				end := run(t, l)
				f := follow(t, l, "")
				l.Refused(&delivery.Refusal{Source: "acme", Status: 401, Reason: "SIGNATURE_INVALID", RequestID: "a"})
				synctest.Wait()
				if got := f.take(); got != nil {
					t.Errorf("told before it is stored: %q", got)
				}
				close(store.may)
				synctest.Wait()
				if got := f.take(); !slices.Equal(got, []string{"a -0"}) {
					t.Errorf("told %q", got)
				}
				l.Shutdown()
				<-f.ended
				end()
			})
		})
	}
}
