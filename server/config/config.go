package config

import (
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"time"
)

// Config is a complete and valid configuration.
type Config struct {
	// File is the absolute path of the file it was read from; empty for Demo.
	File string

	HTTP    HTTP
	GRPC    Listener
	Admin   Listener
	Journal Journal
	// Rejections says what is kept of deliveries that were refused.
	Rejections Rejections
	// Providers are the operator's own packs, in the order of the file. Files are unique.
	Providers []Provider
	// Sources has at least one element, in the order of the file. Names are unique.
	Sources []Source
	// Subscriptions are the operator's decisions, in the order of the file. Names are unique.
	Subscriptions []SubscriptionPolicy
	// Schemas are images with event messages, in the order of the file. Files are unique.
	Schemas []Schema
	// Principals are the callers that are known, in the order of the file. With none, nobody has to authenticate.
	Principals []Principal
	Log        Log
	// ShutdownTimeout bounds the whole shutdown.
	ShutdownTimeout time.Duration

	// running is the folder of the journal that was open before this configuration was loaded; empty: none was.
	running string
}

// HTTP is the listener for the providers.
type HTTP struct {
	// Listen is host:port.
	Listen string
	// PublicURL is nil when it isn't configured. It has a scheme, a host, and perhaps a path without a slash at its end.
	PublicURL *url.URL
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// MaxInFlight bounds the bytes of the bodies in flight. It is at least the largest MaxBody of a source.
	MaxInFlight int64
	// ReadTimeout bounds how long a sender may take.
	ReadTimeout time.Duration
	// TLS is nil for plain HTTP.
	TLS *TLS
}

// Listener is the one for subscribers, or the one for health, metrics and the read API.
type Listener struct {
	// Listen is host:port.
	Listen string
	// Insecure says that the operator accepts an address other than loopback without principals or without TLS. Load has refused
	// such an address without it.
	Insecure bool
	// TLS is nil for plain text.
	TLS *TLS
}

// Journal says where events are stored and for how long.
type Journal struct {
	// Dir is absolute.
	Dir string
	// MaxAge and MaxBytes are the bounds of retention, HoldBytes how much a subscription may hold back at MaxBytes.
	MaxAge              time.Duration
	MaxBytes, HoldBytes int64
	// DeadLetterBytes and DeadLetterMaxAge are the bounds of the dead letters; no age is too old where it is 0.
	DeadLetterBytes  int64
	DeadLetterMaxAge time.Duration
	// DedupeWindow is never above MaxAge.
	DedupeWindow time.Duration
	// MinFree is the free space below which deliveries are refused; 0 means that it isn't watched.
	MinFree int64
	// NATS is nil for the embedded journal.
	NATS *NATS
}

// NATS is an external cluster.
type NATS struct {
	// URL is what nats.go takes: one or more servers, comma-separated.
	URL string
	// CredentialsFile is absolute, or empty.
	CredentialsFile string
	Prefix          string
	Replicas        int
}

// Provider is a file with a pack of the operator's own, as it was when Load read it.
type Provider struct {
	// Name is the path as the configuration has it, File the same absolute.
	Name, File string
	// Pack is the content: a hookbridge.provider.v1.Pack in YAML if there was an Options.Catalogue.
	Pack []byte
}

// Source is an endpoint for one provider's deliveries.
type Source struct {
	Name string
	// Provider is one of Options.Providers, or of the configuration's own.
	Provider string
	// Secrets are all accepted. The one that a handshake brought is the last. There are none only where the provider publishes its keys, or
	// where one is yet to be captured.
	Secrets []Secret
	// Captured says that the provider's handshake brings a secret.
	Captured bool
	// Settings and SecretSettings are what the pack asks for, by name.
	Settings       map[string]string
	SecretSettings map[string]Secret
	// Scheme is the only scheme of the pack that counts; empty: each that there is a secret for.
	Scheme string
	// Enforce refuses a body that doesn't fit the schema.
	Enforce bool
	// DigestWindow is for how long equal bodies without an id count as one delivery; 0 means that they don't (dedupe: none).
	DigestWindow time.Duration
	// MaxBody, Tolerance and Burst are 0 where the provider's or the natural default applies. Rate 0 is unlimited.
	MaxBody   int64
	Tolerance time.Duration
	Rate      float64
	Burst     int
}

// SubscriptionPolicy is what the operator decides about one subscription.
type SubscriptionPolicy struct {
	Name string
	// HoldAll keeps its unread events at any price: when the journal is full, deliveries are refused.
	HoldAll bool
}

// Schema is an image with event messages, as it was when Load read it.
type Schema struct {
	// Name is the path as the configuration has it, File the same absolute.
	Name, File string
	// Image is the content: an encoded google.protobuf.FileDescriptorSet if Options.CheckSchemas said so.
	Image []byte
}

// Rejections says what is kept of deliveries that were refused.
type Rejections struct {
	// MaxBytes and MaxAge are its bounds; the oldest go first.
	MaxBytes int64
	MaxAge   time.Duration
	// Bodies says that bodies are kept too.
	Bodies bool
}

// Log says what is logged and how.
type Log struct {
	Level slog.Level
	// Format is "text", "json", or empty: text on a terminal, else json.
	Format string
}

// NeedsRestart returns the keys of the sections in which next differs from c and that take effect only when the bridge is
// started anew: everything but providers, sources, subscriptions, schemas, principals and what TLS consists of. It is empty when a reload is
// enough.
func (c *Config) NeedsRestart(next *Config) []string {
	var keys []string
	// Whether there is TLS and whether there are principals are decisions of the start, the rest of them is not.
	if len(c.Principals) > 0 && len(next.Principals) == 0 {
		keys = append(keys, "auth")
	}
	for _, section := range []struct {
		key       string
		old, next any
	}{
		{"http", c.HTTP.bound(), next.HTTP.bound()},
		{"grpc", c.GRPC.bound(), next.GRPC.bound()},
		{"admin", c.Admin.bound(), next.Admin.bound()},
		{"journal", c.Journal, next.Journal},
		{"rejections", c.Rejections, next.Rejections},
		{"log", c.Log, next.Log},
		{"shutdown_timeout", c.ShutdownTimeout, next.ShutdownTimeout},
	} {
		if !reflect.DeepEqual(section.old, section.next) {
			keys = append(keys, section.key)
		}
	}
	return keys
}

// bound is what can't change while it runs.
func (h HTTP) bound() HTTP {
	h.TLS = h.TLS.bound()
	return h
}

// bound is what can't change while it runs.
func (l Listener) bound() Listener {
	l.TLS = l.TLS.bound()
	return l
}

// bound is that there is TLS.
func (t *TLS) bound() *TLS {
	if t == nil {
		return nil
	}
	return &TLS{}
}

// Files returns the files that Load read: the configuration itself, the files with certificates and keys, the packs,
// those with secrets and the images.
func (c *Config) Files() []string {
	var files []string
	if c.File != "" {
		files = append(files, c.File)
	}
	for _, t := range []*TLS{c.HTTP.TLS, c.GRPC.TLS, c.Admin.TLS} {
		files = append(files, t.files()...)
	}
	for _, p := range c.Providers {
		files = append(files, p.File)
	}
	for _, s := range c.Sources {
		secrets := slices.Clone(s.Secrets)
		for _, name := range slices.Sorted(maps.Keys(s.SecretSettings)) {
			secrets = append(secrets, s.SecretSettings[name])
		}
		for _, secret := range secrets {
			if secret.file != "" {
				files = append(files, secret.file)
			}
		}
		if s.Captured && !s.HasCaptured() {
			files = append(files, capturedFile(c.capturedIn(), s.Name))
		}
	}
	for _, s := range c.Schemas {
		files = append(files, s.File)
	}
	return files
}
