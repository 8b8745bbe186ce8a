package provider

import (
	"errors"
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
	// line and column are where its file names the key.
	line, column int
}

// newPack compiles a description. Its error joins what is wrong, each behind the way to its field.
func newPack(spec *providerv1.Pack) (*Pack, error) {
	p := &Pack{spec: spec, methods: []string{http.MethodPost}, bodies: newBodies(spec.GetBodies())}
	var errs []error
	wrong := func(place string, err error) {
		if err != nil {
			errs = append(errs, within(place, err))
		}
	}
	for n, s := range spec.GetSchemes() {
		scheme, err := signature.Compile(s, method.Table())
		wrong(fmt.Sprintf("schemes[%d]: ", n), err)
		when, unfit := newConditions("when", s.GetWhen())
		wrong(fmt.Sprintf("schemes[%d].", n), unfit)
		if err == nil {
			p.schemes, p.when = append(p.schemes, scheme), append(p.when, when)
		}
	}
	var err error
	p.untaken, err = newUntaken(spec.GetUntaken())
	wrong("", err)
	p.id, err = newSelectors("id", spec.GetId())
	wrong("", err)
	p.typ, err = newSelectors("type", spec.GetType())
	wrong("", err)
	p.ordering, err = newSelectors("ordering_key", spec.GetOrderingKey())
	wrong("", err)
	for _, list := range [][]selector{p.id, p.typ, p.ordering} {
		for n := range list {
			list[n].settle(spec.GetBatch() != nil)
		}
	}
	p.batch, err = newBatch(spec.GetBatch())
	wrong("", err)
	p.answers, err = newAnswers(spec)
	wrong("", err)
	p.occurred, err = newInstants(spec.GetOccurredAt())
	wrong("", err)
	p.stored, err = p.storedHeaders()
	wrong("", err)
	for n, h := range spec.GetHandshakes() {
		shake, err := newHandshake(h, spec.GetSettings())
		wrong(fmt.Sprintf("handshakes[%d].", n), err)
		p.handshakes = append(p.handshakes, shake)
		if !slices.Contains(p.methods, shake.method) {
			p.methods = append(p.methods, shake.method)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
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
		when, err := newConditions("when", spec.GetScheme().GetWhen())
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
	var errs []error
	for n, name := range p.spec.GetStoredHeaders() {
		name = http.CanonicalHeaderKey(name)
		if slices.Contains(secret, name) {
			errs = append(errs, fmt.Errorf("stored_headers[%d]: %s carries a credential, which is never stored", n, name))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, errors.Join(errs...)
}

// Key returns the catalogue key.
func (p *Pack) Key() string { return p.spec.GetKey() }

// Spec returns the description that the pack was made of. It must not be changed.
func (p *Pack) Spec() *providerv1.Pack { return p.spec }

// PublishesKeys reports whether a source can do without a secret, because the provider publishes its keys.
func (p *Pack) PublishesKeys() bool {
	return slices.ContainsFunc(p.schemes, (*signature.Scheme).Keyless)
}

// MaxBody returns the largest body that the provider sends, in bytes.
func (p *Pack) MaxBody() int64 {
	if n := p.spec.GetMaxBody(); n > 0 {
		return n
	}
	return defaultMaxBody
}

// BodiesRepeat reports whether equal bodies without an id may be different events.
func (p *Pack) BodiesRepeat() bool { return p.spec.GetBodiesRepeat() }

func (p *Pack) deadline() time.Duration { return p.spec.GetDeadline().AsDuration() }
