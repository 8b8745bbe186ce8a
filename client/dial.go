package client

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Client is a connection to a bridge. It is safe for concurrent use.
type Client struct {
	conn     *grpc.ClientConn
	events   hookbridgev1.EventServiceClient
	schemas  hookbridgev1.SchemaServiceClient
	messages *Messages
	log      *slog.Logger
	tracing  *tracing
}

// DialOption changes how Dial connects. One that is nil changes nothing.
type DialOption func(*dial)

type dial struct {
	tls      *tls.Config
	insecure bool
	log      *slog.Logger
	more     []grpc.DialOption
	tracer   trace.TracerProvider

	token          TokenSource
	noSource       bool // WithTokenSource was given none
	plaintextToken bool
}

// WithTLS connects with TLS. A certificate in the configuration authenticates the client, where the bridge asks for one.
// Nil is the zero configuration, as in crypto/tls.
func WithTLS(config *tls.Config) DialOption {
	return func(d *dial) { d.tls = cmp.Or(config, &tls.Config{MinVersion: tls.VersionTLS12}) }
}

// WithoutTLS connects in plain text to a bridge that is not on this machine. To one that is, no option is needed.
func WithoutTLS() DialOption { return func(d *dial) { d.insecure = true } }

// WithLogger says where reconnects, failures of handlers and sources that the bridge doesn't have are logged. Default: nowhere.
func WithLogger(log *slog.Logger) DialOption {
	return func(d *dial) { d.log = cmp.Or(log, slog.New(slog.DiscardHandler)) }
}

// WithTracerProvider says who makes the spans of handlers. Default: the global provider of package otel, whatever it is at the time.
func WithTracerProvider(provider trace.TracerProvider) DialOption {
	return func(d *dial) { d.tracer = provider }
}

// WithGRPC passes options on to grpc.NewClient; they win over those of this package.
func WithGRPC(options ...grpc.DialOption) DialOption {
	return func(d *dial) { d.more = append(d.more, options...) }
}

const (
	// The bridge takes pings every 10 s and more seldom.
	pingInterval = 20 * time.Second
	pingTimeout  = 10 * time.Second

	// Pauses between tries to connect, and to subscribe, grow from one to the other.
	firstPause   = 100 * time.Millisecond
	longestPause = 15 * time.Second
	// connectTimeout is how long a try may take at least.
	connectTimeout = 20 * time.Second
)

// Dial prepares a connection to the bridge at an address, host:port. It connects on first use, so it doesn't fail for a bridge that is
// down; it fails for an address of another machine without WithTLS or WithoutTLS, and for a token that would go there in plain text.
func Dial(address string, options ...DialOption) (*Client, error) {
	d := &dial{log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		if o != nil {
			o(d)
		}
	}
	transport := insecure.NewCredentials()
	switch {
	case d.noSource:
		return nil, fmt.Errorf("dial %s: WithTokenSource: want a source, got nil", address)
	case d.tls != nil && d.insecure:
		return nil, errors.New("dial: want WithTLS or WithoutTLS, got both")
	case d.tls != nil:
		transport = credentials.NewTLS(d.tls)
	case !d.insecure && !isLocal(address) && len(d.more) == 0:
		return nil, fmt.Errorf("dial %s: the bridge is on another machine: want WithTLS, or WithoutTLS for plain text", address)
	case !d.insecure && !isLocal(address):
		// Those of WithGRPC, without which gRPC refuses.
		transport = nil
	}
	dialing := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			// The connection's own pauses would grow to two minutes, during which a bridge that is up again would be missed.
			Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestPause},
			MinConnectTimeout: connectTimeout,
		}),
	}
	if d.token != nil {
		secure := !isLocal(address) && !d.plaintextToken
		if secure && d.insecure {
			return nil, fmt.Errorf("dial %s: the token would cross the network in plain text: want WithTLS, or WithTokenInPlaintext where "+
				"nobody can listen in", address)
		}
		dialing = append(dialing, grpc.WithPerRPCCredentials(bearer{source: d.token, secure: secure}))
	}
	conn, err := grpc.NewClient(address, append(dialing, d.more...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	schemas := hookbridgev1.NewSchemaServiceClient(conn)
	return &Client{
		conn: conn, events: hookbridgev1.NewEventServiceClient(conn), schemas: schemas, messages: newMessages(schemas), log: d.log,
		tracing: &tracing{provider: d.tracer},
	}, nil
}

// isLocal says whether an address can only be of this machine.
func isLocal(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Close ends the connection, and everything that still uses it.
func (c *Client) Close() error { return c.conn.Close() }

// Events is the generated client, for what this package has no function for.
func (c *Client) Events() hookbridgev1.EventServiceClient { return c.events }
