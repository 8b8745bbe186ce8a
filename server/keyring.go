package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/hookbridge/hookbridge/server/config"
)

// keyring is the TLS of one listener. What is in it can be replaced while it is in use: handshakes that begin later take the new
// certificates and authorities, connections that stand stay.
type keyring struct {
	// protocols are what the listener speaks, for the client to choose from.
	protocols []string
	current   atomic.Pointer[tls.Config]
}

// newKeyring returns nil for a listener without TLS.
func newKeyring(t *config.TLS, protocols ...string) (*keyring, error) {
	if t == nil {
		return nil, nil
	}
	k := &keyring{protocols: protocols}
	opened, err := k.open(t)
	if err != nil {
		return nil, err
	}
	k.current.Store(opened)
	return k, nil
}

// open makes what replace takes. It returns nil where there is nothing to replace: whether a listener has TLS is decided at the start.
func (k *keyring) open(t *config.TLS) (*tls.Config, error) {
	if k == nil || t == nil {
		return nil, nil
	}
	opened, err := t.Open()
	if err != nil {
		return nil, err
	}
	opened.NextProtos = k.protocols
	return opened, nil
}

func (k *keyring) replace(opened *tls.Config) {
	if k != nil && opened != nil {
		k.current.Store(opened)
	}
}

// config is what a listener is given, once.
func (k *keyring) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: k.protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return k.current.Load(), nil
		},
	}
}

// wrap puts TLS on a listener that has it.
func (k *keyring) wrap(l net.Listener) net.Listener {
	if k == nil {
		return l
	}
	return tls.NewListener(l, k.config())
}

// keyrings are those of the three listeners, nil where there is no TLS.
type keyrings struct{ http, grpc, admin *keyring }

// openKeyrings reads the certificates of a configuration.
func openKeyrings(cfg *config.Config) (all keyrings, err error) {
	// Providers need no HTTP/2, and nobody else does on the admin listener.
	if all.http, err = newKeyring(cfg.HTTP.TLS, "http/1.1"); err != nil {
		return all, fmt.Errorf("http.tls: %w", err)
	}
	if all.grpc, err = newKeyring(cfg.GRPC.TLS, "h2"); err != nil {
		return all, fmt.Errorf("grpc.tls: %w", err)
	}
	if all.admin, err = newKeyring(cfg.Admin.TLS, "http/1.1"); err != nil {
		return all, fmt.Errorf("admin.tls: %w", err)
	}
	return all, nil
}

// prepare reads the certificates of another configuration and returns what puts them into use.
func (k keyrings) prepare(cfg *config.Config) (apply func(), err error) {
	http, err := k.http.open(cfg.HTTP.TLS)
	if err != nil {
		return nil, fmt.Errorf("http.tls: %w", err)
	}
	grpc, err := k.grpc.open(cfg.GRPC.TLS)
	if err != nil {
		return nil, fmt.Errorf("grpc.tls: %w", err)
	}
	admin, err := k.admin.open(cfg.Admin.TLS)
	if err != nil {
		return nil, fmt.Errorf("admin.tls: %w", err)
	}
	return func() {
		k.http.replace(http)
		k.grpc.replace(grpc)
		k.admin.replace(admin)
	}, nil
}
