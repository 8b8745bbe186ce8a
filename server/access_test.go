package server_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/certtest"
)

// principal is the YAML of one, with one token and certificates.
func principal(name, token, mtls, grants string) string {
	return fmt.Sprintf("  - {name: %s, tokens: [%q], mtls: [%s], grants: {%s}}\n", name, auth.DigestOf(token), mtls, grants)
}

// Who a caller is, by token and by certificate, over both listeners: which events it sees, or what it is told. One case, every
// transport.
func TestWhoIsWho(t *testing.T) {
	billing, platform, ops := auth.NewToken(), auth.NewToken(), auth.NewToken()
	var ahead atomic.Int64
	s := openSecure(t, principal("billing", billing, `"spiffe://example.org/billing", "CN=billing,O=Example"`, `sources: ["stripe-*"], types: ["*"]`)+
		principal("platform", platform, `"CN=platform"`, `sources: ["*"], types: ["user_*"]`)+
		principal("ops", ops, ``, `manage: true`),
		func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	s.store("stripe-eu", "1")
	s.store("orders", "2")
	s.store("stripe-eu", "3")

	named := func(cn, o string) pkix.Name {
		n := pkix.Name{CommonName: cn}
		if o != "" {
			n.Organization = []string{o}
		}
		return n
	}
	pair := func(leaf certtest.Leaf) *tls.Certificate {
		p := s.clients.Pair(t, leaf)
		return &p
	}
	stranger := certtest.New(t, "client authority").Pair(t, certtest.Leaf{Subject: named("platform", "")})
	twice := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: []int{2, 5, 4, 3}, Value: "somebody"}, {Type: []int{2, 5, 4, 3}, Value: "platform"},
	}}
	const (
		missing   = `UNAUTHENTICATED: no credentials were sent; want "authorization: Bearer hbt_..." or, where the listener has a client_ca, a client certificate`
		unknown   = "UNAUTHENTICATED: a token or client certificate that is known here is required"
		malformed = `UNAUTHENTICATED: the authorization can't be read; want one value, "Bearer hbt_..." as hookbridge token new makes it`
		expired   = "UNAUTHENTICATED: the client certificate has expired"
		nothing   = `PERMISSION_DENIED: principal "ops" lacks the grant sources: nothing is granted`
		handshake = "no connection"
	)
	for _, tc := range []struct {
		name   string
		caller caller
		ahead  time.Duration
		want   string
	}{
		{"a token", caller{token: billing}, 0, "1 3"},
		{"another's token", caller{token: platform}, 0, "1 2 3"},
		{"who may see nothing", caller{token: ops}, 0, nothing},
		{"nobody", caller{}, 0, missing},
		{"a wrong token", caller{token: auth.NewToken()}, 0, unknown},
		{"the digest for the token", caller{token: auth.DigestOf(billing).String()}, 0, malformed},
		{"no token behind the scheme", caller{authorization: []string{"Bearer "}}, 0, malformed},
		{"another scheme", caller{authorization: []string{"Basic " + billing}}, 0, malformed},
		{"the scheme in small letters", caller{authorization: []string{"bearer " + billing}}, 0, "1 3"},
		{"two tokens, both right", caller{token: billing, authorization: []string{"Bearer " + platform}}, 0, malformed},
		{"a SPIFFE id", caller{certificate: pair(certtest.Leaf{URIs: []string{"spiffe://example.org/billing"}})}, 0, "1 3"},
		{"a SPIFFE id wins over a subject", caller{certificate: pair(certtest.Leaf{Subject: named("platform", ""), URIs: []string{"spiffe://example.org/billing"}})}, 0, "1 3"},
		{"another SPIFFE id", caller{certificate: pair(certtest.Leaf{URIs: []string{"spiffe://example.org/billing/x"}})}, 0, unknown},
		{"two SPIFFE ids are none", caller{certificate: pair(certtest.Leaf{URIs: []string{"spiffe://example.org/billing", "spiffe://example.org/x"}})}, 0, unknown},
		{"a subject", caller{certificate: pair(certtest.Leaf{Subject: named("platform", "")})}, 0, "1 2 3"},
		{"a subject with two attributes", caller{certificate: pair(certtest.Leaf{Subject: named("billing", "Example")})}, 0, "1 3"},
		{"a part of a subject", caller{certificate: pair(certtest.Leaf{Subject: named("billing", "")})}, 0, unknown},
		{"more than a subject", caller{certificate: pair(certtest.Leaf{Subject: named("platform", "Example")})}, 0, unknown},
		{"a subject with two common names", caller{certificate: pair(certtest.Leaf{Subject: twice})}, 0, unknown},
		{"a certificate of nobody", caller{certificate: pair(certtest.Leaf{})}, 0, unknown},
		{"a token counts, not the certificate", caller{certificate: pair(certtest.Leaf{Subject: named("platform", "")}), token: billing}, 0, "1 3"},
		{"a wrong token with a right certificate", caller{certificate: pair(certtest.Leaf{Subject: named("platform", "")}), token: auth.NewToken()}, 0, unknown},
		{"a certificate that expires on an open connection", caller{certificate: pair(certtest.Leaf{Subject: named("platform", "")})}, 48 * time.Hour, expired},
		{"a certificate that has expired", caller{certificate: pair(certtest.Leaf{Subject: named("platform", ""), NotAfter: time.Now().Add(-time.Hour)})}, 0, handshake},
		{"a certificate of another authority", caller{certificate: &stranger}, 0, handshake},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ahead.Store(int64(tc.ahead))
			defer ahead.Store(0)
			var over, by []string
			client, ctx := s.events(tc.caller)
			page, err := client.ListEvents(ctx, &hookbridgev1.ListEventsRequest{})
			for _, e := range page.GetEvents() {
				over = append(over, fmt.Sprint(e.GetSequence()))
			}
			if st := status.Convert(err); err != nil && st.Code() == codes.Unavailable {
				over = []string{handshake}
			} else if err != nil {
				over = []string{reason(st) + ": " + st.Message()}
			}
			if got := strings.Join(over, " "); got != tc.want {
				t.Errorf("over gRPC\n got %s\nwant %s", got, tc.want)
			}

			code, text, _, err := s.request(tc.caller, http.MethodGet, s.at.Admin, "/v1/events", nil, nil)
			var answer struct {
				Events  []struct{ Sequence string }
				Message string
				Details []struct{ Reason string }
			}
			switch {
			case err != nil:
				by = []string{handshake}
			case json.Unmarshal([]byte(text), &answer) != nil:
				t.Fatalf("got %d %s", code, text)
			case code == http.StatusOK:
				for _, e := range answer.Events {
					by = append(by, e.Sequence)
				}
			default:
				by = []string{answer.Details[0].Reason + ": " + answer.Message}
				if want := map[string]int{"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}[answer.Details[0].Reason]; code != want {
					t.Errorf("status %d, want %d", code, want)
				}
			}
			if got := strings.Join(by, " "); got != tc.want {
				t.Errorf("over HTTP\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// reason is the reason of a status.
func reason(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(interface{ GetReason() string }); ok {
			return info.GetReason()
		}
	}
	return s.Code().String()
}

// Health is open, the schema by reflection is for principals; what isn't there is nobody's.
func TestWhatStrangersReach(t *testing.T) {
	token := auth.NewToken()
	s := openSecure(t, principal("a", token, "", ""), nil)
	conn, ctx := s.dial(caller{})
	if h, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v %v", h, err)
	}
	reflect := func(c caller) error {
		conn, ctx := s.dial(c)
		stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		// What a refused stream is told comes with Recv.
		_ = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		_, err = stream.Recv()
		return err
	}
	if err := reflect(caller{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection for a stranger: %v", err)
	}
	if err := reflect(caller{token: token}); err != nil {
		t.Errorf("reflection for a principal: %v", err)
	}
	for name, call := range map[string]func(c caller) error{
		"types": func(c caller) error {
			conn, ctx := s.dial(c)
			_, err := hookbridgev1.NewSchemaServiceClient(conn).ListEventTypes(ctx, &hookbridgev1.ListEventTypesRequest{})
			return err
		},
		"image": func(c caller) error {
			conn, ctx := s.dial(c)
			_, err := hookbridgev1.NewSchemaServiceClient(conn).GetDescriptorSet(ctx, &hookbridgev1.GetDescriptorSetRequest{}, grpc.MaxCallRecvMsgSize(64<<20))
			return err
		},
	} {
		if err := call(caller{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s for a stranger: %v", name, err)
		}
		if err := call(caller{token: token}); err != nil {
			t.Errorf("%s for a principal: %v", name, err)
		}
	}
	if err := conn.Invoke(ctx, "/hookbridge.v1.IngestService/Ingest", &hookbridgev1.IngestRequest{}, &hookbridgev1.IngestResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("ingest on a port: %v", err)
	}

	for _, tc := range []struct {
		path         string
		stranger, by int
	}{
		{"/healthz", 200, 200},
		{"/readyz", 200, 200},
		{"/metrics", 401, 200},
		{"/schema.binpb", 401, 200},
		{"/v1/event-types", 401, 200},
		{"/v1/events", 401, 403},
		{"/v1/events/1", 401, 404},
		{"/v1/events/1/content", 401, 404},
		{"/", 401, 404},
		{"/nothing", 401, 404},
	} {
		code, _, header := s.admin(caller{}, tc.path)
		if code != tc.stranger || (code == 401) != (header.Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%s for a stranger: %d %v, want %d", tc.path, code, header, tc.stranger)
		}
		if code, text, _ := s.admin(caller{token: token}, tc.path); code != tc.by {
			t.Errorf("%s for a principal: %d %s, want %d", tc.path, code, text, tc.by)
		}
	}
}

// The principal goes through the process in the context. Whatever headers a caller sends, it sees what its token is granted.
func TestHeadersMakeNobodySomebodyElse(t *testing.T) {
	billing, platform := auth.NewToken(), auth.NewToken()
	s := openSecure(t, principal("billing", billing, "", `sources: [stripe-eu], types: ["*"]`)+principal("platform", platform, "", `sources: ["*"], types: ["*"]`), nil)
	s.store("stripe-eu", "1")
	s.store("orders", "2")
	forged := http.Header{
		"Grpc-Metadata-Authorization": {"Bearer " + platform}, "Grpc-Metadata-Principal": {"platform"}, "X-Forwarded-User": {"platform"},
		"Hookbridge-Principal": {"platform"}, "X-Forwarded-Client-Cert": {"Subject=CN=platform"}, "Host": {"evil.example.com"},
	}
	for path, want := range map[string]int{
		"/v1/events/1": 200, "/v1/events/2": 404, "/v1/events/1/content": 200, "/v1/events/2/content": 404,
		"/v1/sources/stripe-eu/events/1": 200, "/v1/sources/orders/events/2": 404, "/v1/events?filter.sources=orders": 403,
	} {
		code, text, _, err := s.request(caller{token: billing}, http.MethodGet, s.at.Admin, path, forged, nil)
		if err != nil || code != want {
			t.Errorf("%s: %d %s %v, want %d", path, code, text, err, want)
		}
		if code, text, _ := s.admin(caller{token: platform}, path); code != 200 {
			t.Errorf("%s for platform: %d %s", path, code, text)
		}
		if code, _, _, err := s.request(caller{}, http.MethodGet, s.at.Admin, path, forged, nil); err != nil || code != 401 {
			t.Errorf("%s for nobody: %d %v, want 401", path, code, err)
		}
	}
}

// A reload takes a grant away: the stream gets nothing that is stored later, not even what was stored while it ends, and the metric
// counts it. One that keeps its grants goes on.
func TestReloadEndsWhatIsNotGrantedAnyMore(t *testing.T) {
	billing, platform := auth.NewToken(), auth.NewToken()
	all := principal("platform", platform, "", `sources: ["*"], types: ["*"], subscriptions: ["*"]`)
	s := openSecure(t, principal("billing", billing, "", `sources: ["*"], types: ["*"], subscriptions: [billing]`)+all, nil)
	subscribe := func(token, name string) func() (*hookbridgev1.Delivery, error) {
		client, ctx := s.events(caller{token: token})
		stream, err := client.Subscribe(ctx, &hookbridgev1.SubscribeRequest{Subscription: name})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := stream.Recv(); err != nil || m.GetConfirmed() == nil {
			t.Fatalf("got %v, %v", m, err)
		}
		return func() (*hookbridgev1.Delivery, error) {
			for {
				m, err := stream.Recv()
				if err != nil || m.GetDelivery() != nil {
					return m.GetDelivery(), err
				}
			}
		}
	}
	mine, theirs := subscribe(billing, "billing"), subscribe(platform, "platform")
	s.store("orders", "1")
	for name, next := range map[string]func() (*hookbridgev1.Delivery, error){"billing": mine, "platform": theirs} {
		if d, err := next(); err != nil || d.GetEvent().GetSequence() != 1 {
			t.Fatalf("%s: got %v, %v", name, d, err)
		}
	}
	s.reload(principal("billing", billing, "", `sources: ["stripe-*"], types: ["*"], subscriptions: [billing]`) + all)
	s.store("orders", "2")
	d, err := mine()
	if st := status.Convert(err); st.Code() != codes.PermissionDenied || st.Message() != `principal "billing" lacks the grant sources: "*"` {
		t.Errorf("got %v, %v", d, err)
	}
	if d, err := theirs(); err != nil || d.GetEvent().GetSequence() != 2 {
		t.Errorf("the other stream got %v, %v", d, err)
	}
	if _, text, _ := s.admin(caller{token: platform}, "/metrics"); !strings.Contains(text, `hookbridge_auth_refusals_total{reason="withdrawn"} 1`+"\n") {
		t.Errorf("the metrics have no withdrawn stream:\n%s", text)
	}

	// The tokens rotate: both for a while, then the new one only.
	next := auth.NewToken()
	both := fmt.Sprintf("  - {name: platform, tokens: [%q, %q], grants: {sources: [\"*\"], types: [\"*\"], subscriptions: [\"*\"]}}\n", auth.DigestOf(next), auth.DigestOf(platform))
	s.reload(both)
	s.store("orders", "3")
	if d, err := theirs(); err != nil || d.GetEvent().GetSequence() != 3 {
		t.Errorf("with both tokens the old stream got %v, %v", d, err)
	}
	rotated := subscribe(next, "rotated")
	s.reload(principal("platform", next, "", `sources: ["*"], types: ["*"], subscriptions: ["*"]`))
	s.store("orders", "4")
	if d, err := theirs(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with the old token gone its stream got %v, %v", d, err)
	}
	if d, err := rotated(); err != nil || d.GetEvent().GetSequence() != 4 {
		t.Errorf("the stream of the new token got %v, %v", d, err)
	}

	// Without a section nobody is let in who was not before: the listeners may stand where strangers are.
	cfg, err := s.configure("")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	client, ctx := s.events(caller{})
	if _, err := client.ListEvents(ctx, &hookbridgev1.ListEventsRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("after the section was taken away: %v", err)
	}
}
