package server

import (
	"errors"
	"fmt"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/source"
)

// configured returns the sources that are in force.
func (s *Server) configured() []source.Configured {
	cfg := s.cfg.Load()
	var list []source.Configured
	for _, c := range cfg.Sources {
		if e, ok := s.edge.Endpoint(c.Name); ok {
			list = append(list, source.Configured{Source: e.Source, Captured: c.HasCaptured()})
		}
	}
	return list
}

// isCaptured says whether this is the secret that a handshake of a source brought before.
func (s *Server) isCaptured(source, secret string) bool {
	return s.cfg.Load().IsCaptured(source, secret)
}

// keepCaptured keeps the secret that a handshake of a source brought, and makes the source anew with it, and no other. Requests that
// are running finish as they began. It is on disk before the source uses it.
func (s *Server) keepCaptured(name, secret string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	next, err := s.cfg.Load().WithCaptured(name, secret)
	if err != nil {
		return fault.Detail(fault.ErrHandshakeForbidden, "this source has its secret, which no handshake replaces")
	}
	endpoints, err := s.endpoints(next, s.catalogue.Load())
	if form, ok := errors.AsType[*provider.SecretError](err); ok {
		return fault.Detail(fault.ErrHandshakeForbidden, "what the handshake brings can't be a secret of this source: %v", form.Reason)
	}
	if err != nil {
		return err
	}
	if err := next.KeepCaptured(name, secret); errors.Is(err, config.ErrNotCapturable) {
		return fault.Detail(fault.ErrHandshakeForbidden, "this source has its secret, which no handshake replaces")
	} else if err != nil {
		return fmt.Errorf("keep the secret of source %q: %w", name, err)
	}
	s.cfg.Store(next)
	s.useSources(endpoints, false)
	return nil
}
