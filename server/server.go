package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/edge"
	"github.com/hookbridge/hookbridge/server/gateway"
	"github.com/hookbridge/hookbridge/server/ingest"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/keysource"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/rejection"
	"github.com/hookbridge/hookbridge/server/schema"
	"github.com/hookbridge/hookbridge/server/source"
	"github.com/hookbridge/hookbridge/server/subscription"
)

// Options are what New needs.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger
	Version string
	// Catalogue has the providers; nil for those that are built in.
	Catalogue *provider.Catalogue
	// Now is the clock of signatures and of the journal; nil for the real one.
	Now func() time.Time
	// KeyTransport takes the place of the network when providers' public keys are fetched, for tests; nil for the network.
	KeyTransport http.RoundTripper
	// Keepalive is how soon a subscriber is found that vanished without a word: it is asked after Time without a sign of life, at least
	// a second, and gone Timeout after that. Zero is 20 s and 10 s.
	Keepalive Keepalive
}

// Keepalive is when a peer of the gRPC listener is asked whether it lives, and how long it may take to answer.
type Keepalive struct{ Time, Timeout time.Duration }

// Server is a bridge that is opened and bound and not yet running.
type Server struct {
	cfg atomic.Pointer[config.Config]
	// inForce has what only a start takes over, as it was at this one, and the principals. Reload writes to it under changing.
	inForce config.Config
	log     *slog.Logger
	now     func() time.Time

	// builtin has the providers that are compiled in, catalogue those of the configuration too.
	builtin       *provider.Catalogue
	catalogue     atomic.Pointer[provider.Catalogue]
	journal       *journal.Store
	edge          *edge.Handler
	rejections    *rejection.Log
	subscriptions *subscription.Manager
	schema        *schema.Live
	registry      *prometheus.Registry
	auth          *auth.Authenticator
	keyrings      keyrings
	// keys fetches what providers publish.
	keys       *keysource.Store
	handshakes *handshakes
	sources    *source.Service
	// changing is held while sources are replaced: by a reload, or by a secret that a handshake brought.
	changing sync.Mutex

	http, admin *web
	grpc        *grpc.Server
	health      *healthService
	listeners   listeners
	draining    atomic.Bool
}

// listeners are the three sockets.
type listeners struct{ http, grpc, admin net.Listener }

// Addrs are the addresses that the listeners are bound to.
type Addrs struct{ HTTP, GRPC, Admin string }

// New validates, opens and binds everything. After an error nothing is left open. What it returns must be run, or closed with Close.
func New(ctx context.Context, opts Options) (_ *Server, err error) {
	s := &Server{log: opts.Logger, now: opts.Now, registry: prometheus.NewRegistry()}
	if s.now == nil {
		s.now = time.Now
	}
	s.cfg.Store(opts.Config)
	s.inForce = *opts.Config
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.registry.Register(collectors.NewGoCollector()); err != nil {
		return nil, err
	}
	if err := s.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
		return nil, err
	}
	if err := registerBuildInfo(s.registry, opts.Version); err != nil {
		return nil, err
	}
	if s.builtin = opts.Catalogue; s.builtin == nil {
		if s.builtin, err = provider.Builtin(); err != nil {
			return nil, fmt.Errorf("providers: %w", err)
		}
	}
	catalogue, err := opts.Config.Extend(s.builtin)
	if err != nil {
		return nil, err
	}
	s.catalogue.Store(catalogue)
	if s.keys, err = keysource.New(keysource.Config{Registerer: s.registry, Logger: s.log, Now: s.now, Transport: opts.KeyTransport}); err != nil {
		return nil, fmt.Errorf("key sources: %w", err)
	}
	endpoints, err := s.endpoints(opts.Config, catalogue)
	if err != nil {
		return nil, err
	}
	sets, err := SchemaSets(opts.Config.Schemas, catalogue)
	if err != nil {
		return nil, err
	}
	if s.schema, err = schema.NewLive(schema.Config{Sets: sets, Registerer: s.registry}); err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	// What is wrong with certificates or principals stops the start: nothing falls back to plain text or to strangers.
	if s.keyrings, err = openKeyrings(opts.Config); err != nil {
		return nil, err
	}
	if s.handshakes, err = newHandshakes(s.registry, s.keyrings); err != nil {
		return nil, err
	}
	if s.auth, err = auth.New(auth.Config{Entries: entries(opts.Config), Registerer: s.registry, Now: s.now}); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	// The sockets before the journal: a port in use is found before a store is opened that takes seconds.
	if err := s.listen(ctx, opts.Config); err != nil {
		return nil, err
	}
	if err := s.open(ctx, opts.Config, opts.Keepalive); err != nil {
		return nil, err
	}
	s.useSources(endpoints, true)
	s.warn(opts.Config, endpoints)
	return s, nil
}

// warn says in the log what Config.Warnings are.
func (s *Server) warn(cfg *config.Config, endpoints []*edge.Endpoint) {
	for _, e := range endpoints {
		if text := cfg.Overheard(e.Source); text != "" {
			s.log.Warn(text, "source", e.Source.Name())
		}
	}
}

// open builds the rooms, from the journal outwards.
func (s *Server) open(ctx context.Context, cfg *config.Config, alive Keepalive) error {
	var err error
	if s.journal, err = journal.Open(ctx, journalConfig(cfg, s.log, s.registry, s.now)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	validator, err := newValidator()
	if err != nil {
		return err
	}
	service, err := ingest.New(ingest.Config{Journal: s.journal, Registerer: s.registry})
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	inside := interceptors{log: s.log, validator: validator, inside: true, caller: verified}
	channel := newChannel(inside.unary())
	hookbridgev1.RegisterIngestServiceServer(channel, service)

	gw, err := gateway.New(gateway.Config{Ingest: channel, Decode: decodeWith(s.schema)})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.rejections, err = rejection.New(rejection.Config{
		Store: s.journal.Rejections(), Bodies: cfg.Rejections.Bodies, Logger: s.log, Registerer: s.registry, Now: s.now,
	})
	if err != nil {
		return fmt.Errorf("rejections: %w", err)
	}
	s.sources = source.New(source.Config{
		Sources: s.configured, Keep: s.keepCaptured, Kept: s.isCaptured, Rejections: s.rejections, Logger: s.log,
		Principal: func(ctx context.Context) string { return auth.From(ctx).Name() },
	})
	s.edge, err = edge.New(edge.Config{
		Next:           gw.ServeDelivery,
		Refused:        s.rejections.Refused,
		Capture:        s.sources.Capture,
		MaxInFlight:    cfg.HTTP.MaxInFlight,
		PublicURL:      cfg.HTTP.PublicURL,
		TrustedProxies: cfg.HTTP.TrustedProxies,
		Logger:         s.log,
		Registerer:     s.registry,
		Now:            s.now,
	})
	if err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	if err := s.openSubscriptions(ctx, cfg); err != nil {
		return fmt.Errorf("subscriptions: %w", err)
	}
	return s.buildServers(cfg, validator, alive)
}

// listen binds the three sockets.
func (s *Server) listen(ctx context.Context, cfg *config.Config) error {
	for _, l := range []struct {
		key, address string
		to           *net.Listener
		keys         *keyring
	}{
		{"http", cfg.HTTP.Listen, &s.listeners.http, s.keyrings.http},
		// gRPC makes its handshakes itself.
		{"grpc", cfg.GRPC.Listen, &s.listeners.grpc, nil},
		{"admin", cfg.Admin.Listen, &s.listeners.admin, s.keyrings.admin},
	} {
		bound, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.address)
		if err != nil {
			return fmt.Errorf("%s.listen: %w", l.key, err)
		}
		*l.to = l.keys.wrap(bound)
	}
	return nil
}

// Addrs returns where the listeners are.
func (s *Server) Addrs() Addrs {
	return Addrs{
		HTTP:  s.listeners.http.Addr().String(),
		GRPC:  s.listeners.grpc.Addr().String(),
		Admin: s.listeners.admin.Addr().String(),
	}
}

// Reload takes over the providers, sources, secrets, subscription policies, schemas, principals and certificates of a new configuration, without
// dropping a request. A source that nothing has changed for is left as it is, and one whose rate is the same goes on with what it has used
// up of that; the keys that providers publish are fetched anew. Streams whose grants are gone are sent nothing more when it returns, and end within a second. After an error
// everything is as it was.
func (s *Server) Reload(cfg *config.Config) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	// What a handshake brought since the file was read.
	if err := cfg.RefreshCaptured(s.cfg.Load()); err != nil {
		return err
	}
	catalogue, err := cfg.Extend(s.builtin)
	if err != nil {
		return err
	}
	endpoints, err := s.endpoints(cfg, catalogue)
	if err != nil {
		return err
	}
	sets, err := SchemaSets(cfg.Schemas, catalogue)
	if err != nil {
		return err
	}
	registry, err := s.schema.Prepare(sets)
	if err != nil {
		return fmt.Errorf("schemas: %w", err)
	}
	certificates, err := s.keyrings.prepare(cfg)
	if err != nil {
		return err
	}
	// Callers who had to authenticate go on having to: the listeners may be bound where strangers are.
	if len(cfg.Principals) > 0 {
		if err := s.auth.Replace(entries(cfg)); err != nil {
			return fmt.Errorf("auth: %w", err)
		}
		s.inForce.Principals = cfg.Principals
	}
	certificates()
	// The schema before the sources: a delivery to a new source finds the messages that came with it.
	s.schema.Use(registry)
	s.catalogue.Store(catalogue)
	s.useSources(endpoints, true)
	s.subscriptions.SetPolicies(policies(cfg))
	s.warn(cfg, endpoints)
	s.cfg.Store(cfg)
	if keys := s.inForce.NeedsRestart(cfg); len(keys) > 0 {
		s.log.Warn("some changes of the configuration take effect only after a restart", "keys", keys)
	}
	s.log.Info("configuration reloaded", "sources", len(cfg.Sources), "schemas", len(cfg.Schemas))
	return nil
}

// ready says why the bridge can't take deliveries now; nil when it can.
func (s *Server) ready() error {
	if s.draining.Load() {
		return errors.New("shutting down")
	}
	return s.journal.Status()
}
