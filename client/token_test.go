package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
)

// A token goes to another machine only with TLS, or when somebody says in so many words that it may.
func TestTokenIsNotSentInPlainText(t *testing.T) {
	const (
		token   = "hbt_hunter2"
		refused = "dial 192.0.2.1:9090: the token would cross the network in plain text: want WithTLS, or WithTokenInPlaintext where nobody can listen in"
	)
	plain := client.WithGRPC(grpc.WithTransportCredentials(insecure.NewCredentials()))
	for _, tc := range []struct {
		name, address string
		options       []client.DialOption
		want          string
	}{
		{"loopback", "127.0.0.1:9090", nil, ""},
		{"loopback of IPv6", "[::1]:9090", nil, ""},
		{"localhost", "localhost:9090", nil, ""},
		{"a name that begins like it", "localhost.example.com:9090", []client.DialOption{client.WithoutTLS()}, strings.Replace(refused, "192.0.2.1", "localhost.example.com", 1)},
		{"another machine", "192.0.2.1:9090", nil, "dial 192.0.2.1:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text"},
		{"another machine in plain text", "192.0.2.1:9090", []client.DialOption{client.WithoutTLS()}, refused},
		{"the token, said in so many words", "192.0.2.1:9090", []client.DialOption{client.WithoutTLS(), client.WithTokenInPlaintext()}, ""},
		{"only the token, said in so many words", "192.0.2.1:9090", []client.DialOption{client.WithTokenInPlaintext()}, "dial 192.0.2.1:9090: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text"},
		{"plain text by options of gRPC", "192.0.2.1:9090", []client.DialOption{plain}, "dial 192.0.2.1:9090: grpc: the credentials require transport level security (use grpc.WithTransportCredentials() to set)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := client.Dial(tc.address, append(tc.options, client.WithToken(token))...)
			got := ""
			if err == nil {
				_ = c.Close()
			} else {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// protect makes a bridge of one principal whose tokens these are.
func (b *bridge) protect(tokens ...string) {
	b.t.Helper()
	var digests []string
	for _, token := range tokens {
		digests = append(digests, fmt.Sprintf("%q", auth.DigestOf(token)))
	}
	b.more = fmt.Sprintf("auth: {principals: [{name: a, tokens: [%s], grants: {sources: [\"*\"], types: [\"*\"], subscriptions: [\"*\"]}}]}\n", strings.Join(digests, ", "))
	if err := b.server.Reload(b.configure()); err != nil {
		b.t.Fatal(err)
	}
}

// A token that is replaced, at the bridge and in the client's file: the stream comes back with the new one, and nothing is lost. With
// the old one for ever Subscribe ends, and says why.
func TestTokenIsReplaced(t *testing.T) {
	b := open(t)
	first, second := auth.NewToken(), auth.NewToken()
	b.protect(first)
	file := filepath.Join(t.TempDir(), "token")
	put := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	seen, connected := make(chan string, 10), make(chan bool, 10)
	collect := func(ids chan<- string) []client.Option {
		return []client.Option{
			client.Otherwise(func(_ context.Context, e *client.Event) error { ids <- e.GetId(); return nil }),
			client.OnConnected(func(*hookbridgev1.Confirmed) { connected <- true }), client.OnDisconnected(func(error, time.Duration) {}),
		}
	}
	follows := subscribe(t, b.dial(client.WithTokenSource(client.TokenFile(file))), "follows", collect(seen)...)
	next(t, connected)
	stuck := subscribe(t, b.dial(client.WithToken(first)), "stuck", collect(make(chan string, 10))...)
	next(t, connected)
	b.users(1, 1)
	if id := next(t, seen); id != "user-1" {
		t.Errorf("got %s", id)
	}
	put(second)
	b.protect(second)
	b.users(2, 1)
	id := next(t, seen)
	if id == "user-1" {
		id = next(t, seen) // its acknowledgement came too late for the old token
	}
	if id != "user-2" {
		t.Errorf("got %s", id)
	}
	err := stuck.wait()
	if status.Code(errors.Unwrap(err)) != codes.Unauthenticated || strings.Contains(err.Error(), first) {
		t.Errorf("with the old token Subscribe returned %v", err)
	}
	follows.stop()
}

// A call for which there is no token is tried again, and none is sent without.
func TestTokenThatIsNotThere(t *testing.T) {
	b := open(t)
	token := auth.NewToken()
	b.protect(token)
	var tries atomic.Int32
	for name, tc := range map[string]struct {
		source client.TokenSource
		want   string
	}{
		"an error":     {func(context.Context) (string, error) { tries.Add(1); return "", errors.New("the vault is sealed") }, "no token to authenticate with: the vault is sealed"},
		"an empty one": {func(context.Context) (string, error) { return "", nil }, "no token to authenticate with: the token is empty or has characters that no token has"},
		"two lines":    {func(context.Context) (string, error) { return token + "\n" + token, nil }, "no token to authenticate with: the token is empty or has characters that no token has"},
		"no file":      {client.TokenFile("/nowhere/token"), "no token to authenticate with: open /nowhere/token: no such file or directory"},
	} {
		_, err := b.dial(client.WithTokenSource(tc.source)).Events().ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{})
		if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != tc.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if tries.Load() != 1 {
		t.Errorf("asked %d times for one call", tries.Load())
	}
}
