package provider

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/hookbridge/server/signature"
)

// holdMargin is what is left of the provider's deadline when a delivery that was held is refused.
const holdMargin = 1500 * time.Millisecond

// SourceConfig makes a source of a pack.
type SourceConfig struct {
	Name string
	Pack *Pack
	// Secrets are all active. Their order is that of Authenticity.secret. A source may do without where the provider publishes its keys.
	Secrets []string
	// Captured says that a handshake brings the secret. Until it has, everything else is refused.
	Captured bool
	// Settings are those that the pack asks for, secret ones with their value.
	Settings map[string]string
	// Scheme restricts the source to one of the pack's schemes, by its name. Empty: every scheme that there is a secret for, but for those that
	// prove less than another one does with the same secret.
	Scheme string
	// Tolerance and MaxBody replace the pack's where they aren't 0. A Tolerance wants a scheme with a timestamp.
	Tolerance time.Duration
	MaxBody   int64
	// DigestWindow is for how long equal bodies without an id count as one delivery; 0: each is new.
	DigestWindow time.Duration
	// Enforce refuses what doesn't fit the schema.
	Enforce bool
	// PublicURL says whether the URL that providers call is configured; schemes that sign the URL need it.
	PublicURL bool
}

// Source is a configured endpoint. It is safe for concurrent use.
type Source struct {
	cfg     SourceConfig
	schemes []active
	// readsDocument says that a scheme has to look into the body.
	readsDocument bool
	network       Network
	// proofKey is the first key of the first scheme, for what a handshake computes.
	proofKey []byte
}

// active is a scheme that the source has secrets for.
type active struct {
	scheme *signature.Scheme
	when   []condition
	keys   []*signature.Key
	// positions are the keys' places in the list of secrets.
	positions []int
	tolerance time.Duration
}

// SecretError means that a secret has the form of none of the pack's keys, or is one that everybody knows.
type SecretError struct {
	// Source is the source's name, Position the secret's place in SourceConfig.Secrets.
	Source   string
	Position int
	// Reason wraps signature.ErrKey. It says which form is wanted and nothing of the secret.
	Reason error
}

// Error names the source and the secret by its position.
func (e *SecretError) Error() string {
	return fmt.Sprintf("source %q: secrets[%d]: %v", e.Source, e.Position, e.Reason)
}

// Unwrap returns the reason.
func (e *SecretError) Unwrap() error { return e.Reason }

// FieldError means that a field of a source other than its settings and secrets doesn't fit its provider.
type FieldError struct {
	// Field is "scheme", "tolerance", or "captured" for that a handshake is to bring the secret.
	Field string
	// Reason says what is wanted.
	Reason error
}

// Error is the reason.
func (e *FieldError) Error() string { return e.Reason.Error() }

// Unwrap returns the reason.
func (e *FieldError) Unwrap() error { return e.Reason }

// NewSource checks the settings, and the secrets against the forms that the pack's keys have. Its error joins everything that is wrong: each
// secret that has no such form, or that everybody knows, is a SecretError, each setting that is wrong a SettingError, and there may be FieldErrors; none contains a value.
func NewSource(cfg SourceConfig) (*Source, error) { return cfg.source(0) }

// Check says what NewSource would, of a source of which so many more secrets couldn't be read: only what holds whatever they are.
func (cfg SourceConfig) Check(unread int) error {
	_, err := cfg.source(unread)
	return err
}

func (cfg SourceConfig) source(unread int) (*Source, error) {
	var errs []error
	if own, values, err := cfg.Pack.with(cfg.Name, cfg.Settings); err != nil {
		errs = append(errs, err)
	} else {
		cfg.Pack, cfg.Settings = own, values
	}
	unfit := checkScheme(cfg)
	errs = append(errs, unfit...)
	if len(unfit) > 0 {
		// What fits under none of the schemes doesn't fit under the one that was meant.
		cfg.Scheme = ""
	}
	s := &Source{cfg: cfg}
	errs = append(errs, s.activate()...)
	if !cfg.PublicURL && s.signsURL(unread) {
		errs = append(errs, fmt.Errorf("%s signs the URL: http.public_url must say which one the provider calls", cfg.Pack.spec.GetName()))
	}
	if len(cfg.Secrets) == 0 && !cfg.Captured && len(s.schemes) == 0 && unread == 0 {
		errs = append(errs, fmt.Errorf("source %q: has no secrets", cfg.Name))
	}
	if len(errs) == 0 && len(s.schemes) > 0 && unread == 0 {
		errs = append(errs, s.checkTolerance())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(s.schemes) > 0 && len(s.schemes[0].positions) > 0 {
		first := s.schemes[0]
		s.proofKey = first.scheme.KeyBytes(cfg.Secrets[first.positions[0]])
	}
	return s, nil
}

// activate finds the schemes that there are secrets for. Each secret that is for none is a SecretError.
func (s *Source) activate() []error {
	candidates, errs := candidatesOf(s.cfg)
	for _, a := range candidates {
		if a.leave(candidates); len(a.keys) == 0 && !a.scheme.Keyless() {
			continue
		}
		s.schemes = append(s.schemes, a)
		s.readsDocument = s.readsDocument || a.scheme.ReadsDocument() ||
			slices.ContainsFunc(a.when, func(c condition) bool { return c.Place().InDocument() })
	}
	return errs
}

// candidatesOf returns the schemes that the source may use, each with the secrets that have the form of its keys, and what is wrong with those
// that have the form of none.
func candidatesOf(cfg SourceConfig) (list []active, errs []error) {
	reasons, fits := make([]error, len(cfg.Secrets)), make([]bool, len(cfg.Secrets))
	for n, scheme := range cfg.Pack.schemes {
		if cfg.Scheme != "" && cfg.Scheme != scheme.Name() {
			continue
		}
		a := active{scheme: scheme, when: cfg.Pack.when[n]}
		if tolerance, ok := scheme.Tolerance(); ok {
			a.tolerance = cmp.Or(cfg.Tolerance, tolerance)
		}
		for n, secret := range cfg.Secrets {
			key, err := scheme.Key(secret)
			if err != nil {
				if reasons[n] != nil {
					err = fmt.Errorf("%w; nor is it the %s's: %w", reasons[n], scheme.Name(), err)
				}
				reasons[n] = err
				continue
			}
			fits[n] = true
			a.keys, a.positions = append(a.keys, key), append(a.positions, n)
		}
		list = append(list, a)
	}
	for n, ok := range fits {
		if ok {
			reasons[n] = cfg.Pack.public(cfg.Secrets[n])
		}
		if reasons[n] != nil {
			errs = append(errs, &SecretError{Source: cfg.Name, Position: n, Reason: reasons[n]})
		}
	}
	return list, errs
}

// public says of a secret that everybody knows it: what anybody can sign is no delivery, see Pack.public_secrets.
func (p *Pack) public(secret string) error {
	for _, known := range p.spec.GetPublicSecrets() {
		if known.GetSecret() == secret || slices.ContainsFunc(p.schemes, func(s *signature.Scheme) bool {
			own := s.KeyBytes(secret)
			return len(own) > 0 && bytes.Equal(own, s.KeyBytes(known.GetSecret()))
		}) {
			return fmt.Errorf("%w: everybody knows this one, which %s uses for %s; want one of your own", signature.ErrKey, p.spec.GetName(), known.GetUse())
		}
	}
	return nil
}

// leave leaves the secrets to the schemes among the others that prove more with them. A source that is to take the weaker proof of a secret
// names it.
func (a *active) leave(others []active) {
	var keys []*signature.Key
	var positions []int
	for n, position := range a.positions {
		if slices.ContainsFunc(others, func(o active) bool { return o.scheme.Outdoes(a.scheme) && slices.Contains(o.positions, position) }) {
			continue
		}
		keys, positions = append(keys, a.keys[n]), append(positions, position)
	}
	a.keys, a.positions = keys, positions
}

// checkTolerance refuses one that nothing would be compared with: it would look like a protection.
func (s *Source) checkTolerance() error {
	var names []string
	for _, a := range s.schemes {
		if _, stamped := a.scheme.Tolerance(); stamped {
			return nil
		}
		names = append(names, a.scheme.Name())
	}
	if s.cfg.Tolerance == 0 {
		return nil
	}
	return &FieldError{"tolerance", fmt.Errorf("%s signs no timestamp by %s", s.cfg.Pack.spec.GetName(), enumerate(names, "or"))}
}

// signsURL reports whether the URL is signed, by a scheme that there is a secret for or, where some of the secrets are unread, by every scheme
// that they may be for.
func (s *Source) signsURL(unread int) bool {
	if slices.ContainsFunc(s.schemes, func(a active) bool { return a.scheme.UsesURL() }) {
		return true
	}
	return unread > 0 && !slices.ContainsFunc(s.cfg.Pack.schemes, func(scheme *signature.Scheme) bool {
		return (s.cfg.Scheme == "" || s.cfg.Scheme == scheme.Name()) && !scheme.UsesURL()
	})
}

// checkScheme says which schemes there are where the source names another, and that no handshake brings the secret where it waits
// for one.
func checkScheme(cfg SourceConfig) (errs []error) {
	var names []string
	for _, scheme := range cfg.Pack.schemes {
		names = append(names, scheme.Name())
	}
	if cfg.Scheme != "" && !slices.Contains(names, cfg.Scheme) {
		errs = append(errs, &FieldError{"scheme", fmt.Errorf("%s has no scheme %q; there is %s", cfg.Pack.spec.GetName(), cfg.Scheme, enumerate(names, "and"))})
	}
	if cfg.Captured && !cfg.Pack.Captures() {
		errs = append(errs, &FieldError{"captured", fmt.Errorf("no handshake of %s brings a secret that could be captured", cfg.Pack.spec.GetName())})
	}
	return errs
}

// Name returns the source's name.
func (s *Source) Name() string { return s.cfg.Name }

// Provider returns the pack's key.
func (s *Source) Provider() string { return s.cfg.Pack.Key() }

// MaxBody returns the largest body that is taken, in bytes.
func (s *Source) MaxBody() int64 {
	if s.cfg.MaxBody > 0 {
		return s.cfg.MaxBody
	}
	return s.cfg.Pack.MaxBody()
}

// Deadline returns how long the provider waits for an answer; 0 where it isn't published.
func (s *Source) Deadline() time.Duration { return s.cfg.Pack.deadline() }

// FailureEmpty says that the answer to a delivery that isn't authentic has no body.
func (s *Source) FailureEmpty() bool { return s.cfg.Pack.spec.GetAnswers().GetFailure().GetEmpty() }

// Schemes returns the names of the schemes in use, in the order of the pack.
func (s *Source) Schemes() []string {
	var names []string
	for _, a := range s.schemes {
		names = append(names, a.scheme.Name())
	}
	return names
}

// Overhearable says that who hears one delivery can prove another one with what stands in it.
func (s *Source) Overhearable() bool {
	return slices.ContainsFunc(s.schemes, func(a active) bool { return a.scheme.Reusable() })
}

// Secrets returns how many secrets the source has.
func (s *Source) Secrets() int { return len(s.cfg.Secrets) }

// Captures says that the source takes the secret that a handshake brings.
func (s *Source) Captures() bool { return s.cfg.Captured }

// PackCaptures says that a handshake of the provider brings a secret, whether or not the source takes it.
func (s *Source) PackCaptures() bool { return s.cfg.Pack.Captures() }

// FailureStatus returns the HTTP status for a delivery that isn't authentic; 0 for the usual one.
func (s *Source) FailureStatus() int {
	return int(s.cfg.Pack.spec.GetAnswers().GetFailure().GetStatus())
}

// Methods returns the methods that are taken.
func (s *Source) Methods() []string { return slices.Clone(s.cfg.Pack.methods) }

// AcceptsMethod reports whether a method is taken.
func (s *Source) AcceptsMethod(method string) bool {
	return slices.Contains(s.cfg.Pack.methods, method)
}

// CheckMediaType returns ErrMediaType for a Content-Type that the pack has no body for, and for several that differ. Its text is fit for the
// sender.
func (s *Source) CheckMediaType(contentTypes []string) error {
	_, err := s.cfg.Pack.bodyNamed(contentTypes)
	return err
}

// HoldUntil returns until when a delivery that began to arrive at a time may wait for a bridge in trouble: shortly before its
// provider's deadline where the provider doesn't send it again, else zero.
func (s *Source) HoldUntil(started time.Time) time.Time {
	deadline := s.Deadline()
	if s.cfg.Pack.spec.GetRetries() || deadline <= holdMargin {
		return time.Time{}
	}
	return started.Add(deadline - holdMargin)
}
