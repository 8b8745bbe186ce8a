package provider

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
	"github.com/hookbridge/hookbridge/server/signature/method"
)

// defaultMaxBody is the largest body where the pack names none.
const defaultMaxBody = 1 << 20

// credentials are headers that carry a secret, whatever the provider.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key"}

// Pack is one provider, compiled. It is safe for concurrent use.
type Pack struct {
	spec    *providerv1.Pack
	schemes []*signature.Scheme
	// when has, for each scheme, the conditions under which it is looked at.
	when       [][]condition
	untaken    []untaken
	id         []selector
	typ        []selector
	occurred   []instant
	ordering   []selector
	bodies     []body
	batch      *batch
	answers    answers
	stored     []string
	handshakes []handshake
	methods    []string
}

func newPack(spec *providerv1.Pack) (*Pack, error) {
	p := &Pack{spec: spec, methods: []string{http.MethodPost}}
	for n, s := range spec.GetSchemes() {
		scheme, err := signature.Compile(s, method.Table())
		if err != nil {
			return nil, fmt.Errorf("schemes[%d]: %w", n, err)
		}
		when, err := newConditions(s.GetWhen())
		if err != nil {
			return nil, fmt.Errorf("schemes[%d].%w", n, err)
		}
		p.schemes, p.when = append(p.schemes, scheme), append(p.when, when)
	}
	var err error
	if p.untaken, err = newUntaken(spec.GetUntaken()); err != nil {
		return nil, err
	}
	if p.id, err = newSelectors("id", spec.GetId()); err != nil {
		return nil, err
	}
	if p.typ, err = newSelectors("type", spec.GetType()); err != nil {
		return nil, err
	}
	if p.ordering, err = newSelectors("ordering_key", spec.GetOrderingKey()); err != nil {
		return nil, err
	}
	for _, list := range [][]selector{p.id, p.typ, p.ordering} {
		for n := range list {
			list[n].batched = spec.GetBatch() != nil
		}
	}
	if p.batch, err = newBatch(spec.GetBatch()); err != nil {
		return nil, err
	}
	if p.answers, err = newAnswers(spec); err != nil {
		return nil, err
	}
	if p.occurred, err = newInstants(spec.GetOccurredAt()); err != nil {
		return nil, err
	}
	if p.stored, err = p.storedHeaders(); err != nil {
		return nil, err
	}
	p.bodies = newBodies(spec.GetBodies())
	for n, h := range spec.GetHandshakes() {
		shake, err := newHandshake(h, spec.GetSettings())
		if err != nil {
			return nil, fmt.Errorf("handshakes[%d]: %w", n, err)
		}
		p.handshakes = append(p.handshakes, shake)
		if !slices.Contains(p.methods, shake.method) {
			p.methods = append(p.methods, shake.method)
		}
	}
	return p, nil
}

// untaken is a scheme by which nothing is taken.
type untaken struct {
	scheme *signature.Scheme
	when   []condition
	advice string
}

func newUntaken(specs []*providerv1.UntakenScheme) ([]untaken, error) {
	var list []untaken
	for n, spec := range specs {
		scheme, err := signature.Compile(spec.GetScheme(), method.Table())
		if err != nil {
			return nil, fmt.Errorf("untaken[%d].scheme: %w", n, err)
		}
		when, err := newConditions(spec.GetScheme().GetWhen())
		if err != nil {
			return nil, fmt.Errorf("untaken[%d].scheme.%w", n, err)
		}
		list = append(list, untaken{scheme, when, spec.GetAdvice()})
	}
	return list, nil
}

// storedHeaders is the allow-list in canonical form, sorted.
func (p *Pack) storedHeaders() ([]string, error) {
	secret := slices.Clone(credentials)
	for _, s := range p.schemes {
		secret = append(secret, s.Credentials()...)
	}
	var names []string
	for n, name := range p.spec.GetStoredHeaders() {
		name = http.CanonicalHeaderKey(name)
		if slices.Contains(secret, name) {
			return nil, fmt.Errorf("stored_headers[%d]: %s carries a credential, which is never stored", n, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Key returns the catalogue key.
func (p *Pack) Key() string { return p.spec.GetKey() }

// Spec returns the description that the pack was made of. It must not be changed.
func (p *Pack) Spec() *providerv1.Pack { return p.spec }

// PublishesKeys reports whether a source can do without a secret, because the provider publishes its keys.
func (p *Pack) PublishesKeys() bool {
	return slices.ContainsFunc(p.spec.GetSchemes(), func(s *providerv1.Scheme) bool { return s.GetKeySource() != nil })
}

func (p *Pack) maxBody() int64 {
	if n := p.spec.GetMaxBody(); n > 0 {
		return n
	}
	return defaultMaxBody
}

// BodiesRepeat reports whether equal bodies without an id may be different events.
func (p *Pack) BodiesRepeat() bool { return p.spec.GetBodiesRepeat() }

func (p *Pack) deadline() time.Duration { return p.spec.GetDeadline().AsDuration() }
