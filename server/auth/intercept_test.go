package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAuthenticator(t *testing.T, entries ...Entry) *Authenticator {
	t.Helper()
	a, err := New(Config{Entries: entries, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func entry(name, token string, g Grants) Entry {
	return Entry{Name: name, Tokens: []Digest{DigestOf(token)}, Grants: g}
}

// incoming is the context of a call with a token.
func incoming(ctx context.Context, token string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+token))
}

// wire is a stream's other side.
type wire struct {
	grpc.ServerStream
	ctx  context.Context
	sent func(m any) error
}

func (w *wire) Context() context.Context { return w.ctx }
func (w *wire) SendMsg(m any) error      { return w.sent(m) }

var subscribe = &grpc.StreamServerInfo{FullMethod: hookbridgev1.EventService_Subscribe_FullMethodName, IsServerStream: true}

func TestEntriesThatContradictEachOther(t *testing.T) {
	d := DigestOf("x")
	for _, tc := range []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"no name", []Entry{{}}, `principal "": want a name of its own`},
		{"one name", []Entry{{Name: "a"}, {Name: "a"}}, `principal "a": want a name of its own`},
		{"one token", []Entry{{Name: "a", Tokens: []Digest{d}}, {Name: "b", Tokens: []Digest{d}}}, `principal "b": has a token of principal "a"`},
		{"one certificate", []Entry{{Name: "a", Certificates: []string{"CN=x"}}, {Name: "b", Certificates: []string{"CN=x"}}}, `principal "b": certificates of "CN=x" are those of principal "a"`},
		{"an empty certificate", []Entry{{Name: "a", Certificates: []string{""}}}, `principal "a": certificates of "" name nobody`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAuthenticator(t, entry("old", someToken, Grants{}))
			for _, err := range []error{a.Replace(tc.entries), func() error {
				_, err := New(Config{Entries: tc.entries, Registerer: prometheus.NewRegistry()})
				return err
			}()} {
				if err == nil || err.Error() != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			}
			if _, _, err := a.begin(t.Context(), ofCall(incoming(t.Context(), someToken))); err != nil {
				t.Errorf("after an error the old principals are gone: %v", err)
			}
		})
	}
}

// A method without a rule is refused, whoever calls it; a call inside without a caller is a defect.
func TestClosedByDefault(t *testing.T) {
	a := newAuthenticator(t)
	never := func(context.Context, any) (any, error) { t.Error("the handler was called"); return nil, nil }
	unary := &grpc.UnaryServerInfo{FullMethod: "/hookbridge.v1.EventService/Added"}
	const want = "no rule says who may call /hookbridge.v1.EventService/Added"
	for name, call := range map[string]func() error{
		"unary":  func() error { _, err := a.Unary()(t.Context(), nil, unary, never); return err },
		"inside": func() error { _, err := a.Inside()(t.Context(), nil, unary, never); return err },
		"stream": func() error {
			return a.Stream()(nil, &wire{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: unary.FullMethod}, func(any, grpc.ServerStream) error {
				t.Error("the handler was called")
				return nil
			})
		},
	} {
		if err := call(); err == nil || err.Error() != want || !fault.Internal(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	listEvents := &grpc.UnaryServerInfo{FullMethod: hookbridgev1.EventService_ListEvents_FullMethodName}
	if _, err := a.Inside()(incoming(t.Context(), someToken), nil, listEvents, never); err == nil || err.Error() != "/hookbridge.v1.EventService/ListEvents was called inside by nobody" {
		t.Errorf("inside: got %v", err)
	}
}

// No error contains a token, in its public or its private face.
func TestErrorsContainNoToken(t *testing.T) {
	a := newAuthenticator(t, entry("a", NewToken(), Grants{}))
	for _, value := range []string{"Bearer " + someToken, "Bearer " + someToken + "x", "Basic " + someToken, someToken} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", value))
		_, err := a.Unary()(ctx, nil, &grpc.UnaryServerInfo{FullMethod: hookbridgev1.EventService_ListEvents_FullMethodName}, nil)
		if !errors.Is(err, fault.ErrUnauthenticated) || strings.Contains(err.Error()+told(err), someToken[4:20]) {
			t.Errorf("got %v", err)
		}
	}
}

// Each refusal is counted once, by its reason.
func TestRefusalsAreCounted(t *testing.T) {
	token := NewToken()
	a := newAuthenticator(t, entry("a", token, Grants{}))
	call := func(value ...string) {
		md := metadata.MD{"authorization": value}
		// The errors are those of other tests.
		_, _ = a.Unary()(metadata.NewIncomingContext(t.Context(), md), &hookbridgev1.AcknowledgeRequest{Subscription: "x"},
			&grpc.UnaryServerInfo{FullMethod: hookbridgev1.EventService_Acknowledge_FullMethodName}, nil)
	}
	call()
	call("nonsense")
	call("Bearer "+token, "Bearer "+token)
	call("Bearer " + someToken)
	call("Bearer " + token)
	const head = "# HELP hookbridge_auth_refusals_total Calls on the gRPC and admin listeners that were refused, by reason: missing, malformed, unknown_token, unknown_certificate, expired_certificate, missing_grant; and streams that a change of the configuration ended: withdrawn.\n# TYPE hookbridge_auth_refusals_total counter\n"
	want := head
	for reason, n := range map[string]string{
		"missing": "1", "malformed": "2", "unknown_token": "1", "unknown_certificate": "0", "expired_certificate": "0", "missing_grant": "1", "withdrawn": "0",
	} {
		want += `hookbridge_auth_refusals_total{reason="` + reason + `"} ` + n + "\n"
	}
	if err := testutil.CollectAndCompare(a.refusals, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// A stream that is blocked in sending ends within its grace, a stream that waits at once; a panic is an error of its call.
func TestStreamsEnd(t *testing.T) {
	denied := fault.Detail(fault.ErrPermissionDenied, "not any more")
	guard := func(p *Principal) error {
		if p.Name() == "a" {
			return nil
		}
		return denied
	}
	for _, tc := range []struct {
		name    string
		handler func(ctx context.Context, stream grpc.ServerStream) error
		took    time.Duration
	}{
		{"one that waits", func(ctx context.Context, _ grpc.ServerStream) error { <-ctx.Done(); return ctx.Err() }, 0},
		{"one that is blocked in sending", func(_ context.Context, s grpc.ServerStream) error { return s.SendMsg("blocks") }, grace},
		{"one that sends on", func(ctx context.Context, s grpc.ServerStream) error {
			for {
				if err := s.SendMsg("goes"); err != nil {
					return err
				}
				time.Sleep(10 * time.Millisecond)
			}
		}, 10 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthenticator(t, entry("a", someToken, Grants{}))
				call, end := context.WithCancel(incoming(t.Context(), someToken))
				revoked := false
				w := &wire{ctx: call, sent: func(m any) error {
					if revoked {
						t.Error("something was sent after the grant was withdrawn")
					}
					if m == "blocks" {
						<-call.Done()
						return call.Err()
					}
					return nil
				}}
				ended := make(chan error, 1)
				go func() {
					ended <- a.Stream()(nil, w, subscribe, func(_ any, s grpc.ServerStream) error {
						if err := Keep(s.Context(), guard); err != nil {
							return err
						}
						return tc.handler(s.Context(), s)
					})
					end() // as gRPC does when a call has ended
				}()
				time.Sleep(time.Second)
				synctest.Wait()
				began := time.Now()
				if err := a.Replace([]Entry{entry("b", someToken, Grants{})}); err != nil {
					t.Fatal(err)
				}
				revoked = true
				if err := <-ended; !errors.Is(err, fault.ErrPermissionDenied) || told(err) != "not any more" {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(began); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
				synctest.Wait()
				if n := testutil.ToFloat64(a.refusals.WithLabelValues(string(withdrawn))); n != 1 {
					t.Errorf("counted %v times", n)
				}
			})
		})
	}
	t.Run("one that panics", func(t *testing.T) {
		a := newAuthenticator(t)
		err := a.Stream()(nil, &wire{ctx: t.Context()}, subscribe, func(any, grpc.ServerStream) error {
			var nothing *Principal
			return errors.New(nothing.name)
		})
		if err == nil || !strings.HasPrefix(err.Error(), "panic: runtime error: invalid memory address") || !fault.Internal(err) {
			t.Errorf("ended with %v", err)
		}
	})
}

// What a handler needs may be withdrawn between the beginning of its call and its asking.
func TestKeepAsksUnderThePrincipalsOfNow(t *testing.T) {
	a := newAuthenticator(t, entry("a", someToken, Grants{Subscriptions: []string{"x"}}))
	err := a.Stream()(nil, &wire{ctx: incoming(t.Context(), someToken)}, subscribe, func(_ any, s grpc.ServerStream) error {
		if err := From(s.Context()).MayUse("x"); err != nil {
			t.Error(err)
		}
		if err := a.Replace([]Entry{entry("a", someToken, Grants{})}); err != nil {
			t.Error(err)
		}
		return Keep(s.Context(), func(p *Principal) error { return p.MayUse("x") })
	})
	if told(err) != `principal "a" lacks the grant subscriptions: "x"` {
		t.Errorf("got %v", err)
	}
	if err := Keep(t.Context(), func(p *Principal) error { return p.MayUse("x") }); told(err) != `principal "nobody" lacks the grant subscriptions: "x"` {
		t.Errorf("without a caller: got %v", err)
	}
}

// A stream whose method has a rule is held to it: refused without the grant, ended when that is withdrawn.
func TestStreamsAreHeldToTheirRule(t *testing.T) {
	follow := &grpc.StreamServerInfo{FullMethod: hookbridgev1.SourceService_FollowRejections_FullMethodName, IsServerStream: true}
	synctest.Test(t, func(t *testing.T) {
		a := newAuthenticator(t, entry("a", someToken, Grants{}))
		w := &wire{ctx: incoming(t.Context(), someToken)}
		const lacks = `principal "a" lacks the grant manage`
		err := a.Stream()(nil, w, follow, func(any, grpc.ServerStream) error {
			t.Error("the handler was called")
			return nil
		})
		if told(err) != lacks {
			t.Errorf("told %q, want %q", told(err), lacks)
		}
		if err := a.Replace([]Entry{entry("a", someToken, Grants{Manage: true})}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			ended <- a.Stream()(nil, w, follow, func(_ any, s grpc.ServerStream) error {
				<-s.Context().Done()
				return s.Context().Err()
			})
		}()
		synctest.Wait()
		if err := a.Replace([]Entry{entry("a", someToken, Grants{})}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; told(err) != lacks {
			t.Errorf("told %q, want %q", told(err), lacks)
		}
	})
}
