package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/edge"
	"github.com/hookbridge/hookbridge/server/gateway"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/schema"
	"github.com/hookbridge/hookbridge/server/subscription"
)

// origins are where the public keys of all sources are published.
func origins(endpoints []*edge.Endpoint) []publickey.Origin {
	var all []publickey.Origin
	for _, e := range endpoints {
		all = append(all, e.Source.Origins()...)
	}
	return all
}

// useSources lets deliveries be verified by these from now on. Keys that providers publish are fetched anew only if renew says so; those
// that are new are fetched in any case.
func (s *Server) useSources(endpoints []*edge.Endpoint, renew bool) {
	sources := make([]*provider.Source, len(endpoints))
	for n, e := range endpoints {
		sources[n] = e.Source
	}
	if renew {
		s.keys.Use(origins(endpoints))
	} else {
		s.keys.Adopt(origins(endpoints))
	}
	// Before the edge has them: what it refuses is looked into with the sources that it was refused by, or newer ones.
	s.rejections.SetSources(s.catalogue.Load(), sources)
	s.edge.SetSources(endpoints)
}

func policies(cfg *config.Config) map[string]subscription.Policy {
	byName := make(map[string]subscription.Policy, len(cfg.Subscriptions))
	for _, p := range cfg.Subscriptions {
		byName[p.Name] = subscription.Policy{HoldAll: p.HoldAll}
	}
	return byName
}

// entries are the principals of a configuration.
func entries(cfg *config.Config) []auth.Entry {
	var list []auth.Entry
	for _, p := range cfg.Principals {
		e := auth.Entry{Name: p.Name, Certificates: p.Certificates, Grants: auth.Grants{
			Sources: p.Sources, Types: p.Types, Subscriptions: p.Subscriptions, Manage: p.Manage,
		}}
		for _, digest := range p.Tokens {
			e.Tokens = append(e.Tokens, digest)
		}
		list = append(list, e)
	}
	return list
}

func journalConfig(cfg *config.Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) journal.Config {
	j := journal.Config{
		Dir: cfg.Journal.Dir, MaxAge: cfg.Journal.MaxAge, MaxBytes: cfg.Journal.MaxBytes, HoldBytes: cfg.Journal.HoldBytes,
		DedupeWindow: cfg.Journal.DedupeWindow, MinFree: cfg.Journal.MinFree,
		DeadLetterBytes: cfg.Journal.DeadLetterBytes, DeadLetterMaxAge: cfg.Journal.DeadLetterMaxAge,
		RejectionBytes: cfg.Rejections.MaxBytes, RejectionMaxAge: cfg.Rejections.MaxAge, Logger: log, Registerer: reg, Now: now,
	}
	if j.MinFree == 0 {
		j.MinFree = -1
	}
	if n := cfg.Journal.NATS; n != nil {
		j.NATS = &journal.NATSConfig{URL: n.URL, CredentialsFile: n.CredentialsFile, Prefix: n.Prefix, Replicas: n.Replicas}
	}
	return j
}

// decodeWith is the registry in force as the gateway sees it.
func decodeWith(live *schema.Live) gateway.Decode {
	return func(provider, typ string, document []byte) (*anypb.Any, *hookbridgev1.Decoding, bool) {
		d := live.Registry().Decode(provider, typ, document)
		return d.Data, d.Decoding, d.NotJSON
	}
}

// redecodeWith makes data again that was too large to be stored, by the schema of now. The document is found as it was when the event
// was received: by the provider's pack and the content type.
func redecodeWith(live *schema.Live, catalogue *atomic.Pointer[provider.Catalogue]) subscription.Redecode {
	return func(event *hookbridgev1.Event, body []byte) (*anypb.Any, *hookbridgev1.Decoding) {
		document := body
		if event.GetBatch() == nil { // the body of an element of a list is its document
			pack, ok := catalogue.Load().Get(event.GetProvider())
			if !ok {
				return undecodable("the provider %q is not configured any more, and without it the data can't be made again", event.GetProvider())
			}
			var err error
			if document, err = pack.Document(event.GetContent().GetContentType(), body); err != nil {
				return undecodable("the provider %q has no such body any more: %v", event.GetProvider(), err)
			}
		}
		d := live.Registry().Redecode(event.GetProvider(), event.GetType(), document)
		return d.Data, d.Decoding
	}
}

// undecodable is what is said of a body that nothing is made of.
func undecodable(format string, args ...any) (*anypb.Any, *hookbridgev1.Decoding) {
	return nil, &hookbridgev1.Decoding{
		State:      hookbridgev1.Decoding_STATE_UNDECODABLE,
		Violations: []*hookbridgev1.Violation{{Message: fmt.Sprintf(format, args...)}},
	}
}

// openSubscriptions loads the subscriptions and lets retention ask them.
func (s *Server) openSubscriptions(ctx context.Context, cfg *config.Config) (err error) {
	s.subscriptions, err = subscription.New(ctx, subscription.Config{
		Journal: s.journal, Redecode: redecodeWith(s.schema, &s.catalogue), Policies: policies(cfg),
		Registry: s.schema.Registry, Sources: s.providers,
		Principal: func(ctx context.Context) string { return auth.From(ctx).Name() },
		Logger:    s.log, Registerer: s.registry, Now: s.now,
	})
	if err != nil {
		return err
	}
	s.journal.SetHolds(s.subscriptions.Holds)
	return nil
}

// providers returns the provider of each source that is configured now.
func (s *Server) providers() map[string]string {
	of := map[string]string{}
	for _, source := range s.cfg.Load().Sources {
		of[source.Name] = source.Provider
	}
	return of
}

// buildServers makes the three servers that Run serves with.
func (s *Server) buildServers(cfg *config.Config, validator *validator, alive Keepalive) error {
	outside := interceptors{log: s.log, validator: validator, caller: s.auth.Unary(), callerOfStream: s.auth.Stream()}
	transport := insecure.NewCredentials()
	if s.keyrings.grpc != nil {
		transport = counted{credentials.NewTLS(s.keyrings.grpc.config()), s.handshakes}
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(transport),
		// A stranger who never ends a handshake holds a connection no longer than this.
		grpc.ConnectionTimeout(10*time.Second),
		grpc.ChainUnaryInterceptor(outside.unary()...),
		grpc.ChainStreamInterceptor(outside.stream()...),
		// Deliveries are built once and sent as they are.
		grpc.ForceServerCodecV2(subscription.Codec()),
		// A peer that is gone is found in half a minute; one that pings every ten seconds is no attacker.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: cmp.Or(alive.Time, 20*time.Second), Timeout: cmp.Or(alive.Timeout, 10*time.Second)}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.MaxConcurrentStreams(1000),
	)
	hookbridgev1.RegisterEventServiceServer(s.grpc, s.subscriptions)
	management := subscription.NewService(s.subscriptions)
	hookbridgev1.RegisterSubscriptionServiceServer(s.grpc, management)
	schemas := schema.NewService(s.schema)
	hookbridgev1.RegisterSchemaServiceServer(s.grpc, schemas)
	hookbridgev1.RegisterSourceServiceServer(s.grpc, s.sources)
	s.health = newHealth(s.grpc)
	registerReflection(s.grpc, s.schema)

	inside := interceptors{log: s.log, validator: validator, inside: true, caller: s.auth.Inside()}
	channel := newChannel(inside.unary())
	hookbridgev1.RegisterEventServiceServer(channel, s.subscriptions)
	hookbridgev1.RegisterSubscriptionServiceServer(channel, management)
	hookbridgev1.RegisterSchemaServiceServer(channel, schemas)
	hookbridgev1.RegisterSourceServiceServer(channel, s.sources)
	api, err := gateway.NewAPI(channel)
	if err != nil {
		return err
	}
	s.admin = newWeb(&http.Server{
		Handler:           admin(api, contentHandler(s.journal), imageHandler(s.schema), s.registry, s.auth, s.ready, cfg.Admin),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}, s.handshakes.watch("admin"))
	s.http = newWeb(s.edge.Server(cfg.HTTP.ReadTimeout), s.handshakes.watch("http"))
	return nil
}

// registerBuildInfo tells the metrics which version this is.
func registerBuildInfo(reg prometheus.Registerer, version string) error {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "hookbridge_build_info",
		Help:        "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	info.Set(1)
	return reg.Register(info)
}

// sequenceOf reads the last element of a path.
func sequenceOf(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}
