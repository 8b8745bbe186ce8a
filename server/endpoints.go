package server

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/edge"
	"github.com/hookbridge/hookbridge/server/provider"
)

// endpoints makes the sources of a configuration. A source that is in force and that nothing has changed for is taken over as it is, and
// whatever changed of it, a source whose rate is the same goes on with what it has used up of that.
func (s *Server) endpoints(cfg *config.Config, catalogue *provider.Catalogue) ([]*edge.Endpoint, error) {
	var list []*edge.Endpoint
	for n, c := range cfg.Sources {
		was := s.standing(c.Name)
		// A new one in any case: requests are running with the old one.
		endpoint := &edge.Endpoint{Limiter: was.limiter(c)}
		if was != nil && was.same(c, cfg, catalogue) {
			endpoint.Source = was.endpoint.Source
		} else {
			source, err := cfg.Open(c, catalogue)
			if err != nil {
				return nil, fmt.Errorf("sources[%d] %q: %w", n, c.Name, err)
			}
			endpoint.Source = source.WithNetwork(s.keys)
		}
		list = append(list, endpoint)
	}
	return list, nil
}

// standing is a source that is in force, and what it was made of.
type standing struct {
	endpoint  *edge.Endpoint
	source    config.Source
	cfg       *config.Config
	catalogue *provider.Catalogue
}

// standing returns the source of a name; nil where none is in force.
func (s *Server) standing(name string) *standing {
	if s.edge == nil {
		return nil // the first ones are made before there is an edge
	}
	endpoint, ok := s.edge.Endpoint(name)
	if !ok {
		return nil
	}
	cfg := s.cfg.Load()
	n := slices.IndexFunc(cfg.Sources, func(c config.Source) bool { return c.Name == name })
	if n < 0 {
		return nil
	}
	return &standing{endpoint, cfg.Sources[n], cfg, s.catalogue.Load()}
}

// same says that a source would be made of the same as the one that is in force: its own lines of the configuration with the secrets that
// they name, its provider, and what else Config.Open looks at.
func (w *standing) same(c config.Source, cfg *config.Config, catalogue *provider.Catalogue) bool {
	if !reflect.DeepEqual(w.source, c) ||
		(w.cfg.HTTP.PublicURL == nil) != (cfg.HTTP.PublicURL == nil) || w.cfg.HTTP.MaxInFlight != cfg.HTTP.MaxInFlight {
		return false
	}
	before, had := w.catalogue.Get(c.Provider)
	after, has := catalogue.Get(c.Provider)
	return had && has && (before == after || proto.Equal(before.Spec(), after.Spec()))
}

// limiter returns what counts the deliveries of a source; nil for no limit.
func (w *standing) limiter(c config.Source) *rate.Limiter {
	switch {
	case c.Rate <= 0:
		return nil
	case w != nil && w.endpoint.Limiter != nil && w.source.Rate == c.Rate && w.source.Burst == c.Burst:
		return w.endpoint.Limiter
	}
	burst := c.Burst
	if burst == 0 {
		burst = int(math.Ceil(c.Rate))
	}
	return rate.NewLimiter(rate.Limit(c.Rate), burst)
}
