package provider

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// maxSetting is the longest value of a setting in bytes.
const maxSetting = 1024

// SettingError means that a source lacks a setting that its pack wants, has one that it doesn't know, or one with an unfit value.
type SettingError struct {
	// Source is the source's name, Setting the setting's.
	Source, Setting string
	// Reason says what is wanted and nothing of the value.
	Reason error
}

// Error names the source and the setting.
func (e *SettingError) Error() string {
	return fmt.Sprintf("source %q: settings.%s: %v", e.Source, e.Setting, e.Reason)
}

// Unwrap returns the reason.
func (e *SettingError) Unwrap() error { return e.Reason }

// Settings returns what the pack asks a source for beside the secret.
func (p *Pack) Settings() []*providerv1.Setting { return p.spec.GetSettings() }

// settings are the values of a source, or those with which a pack is tried out.
type settings struct {
	// plain go into the description: signature.Absent for one that the source doesn't have. secret never do.
	plain, secret map[string]string
}

// with returns the pack as a source with these settings has it, and the value of every setting, defaults included, without those that
// the source doesn't have. Errors are SettingErrors.
func (p *Pack) with(source string, values map[string]string) (own *Pack, all map[string]string, err error) {
	declared := p.spec.GetSettings()
	chosen := settings{plain: map[string]string{}, secret: map[string]string{}}
	var errs []error
	for _, s := range declared {
		if err := chosen.take(s, values); err != nil {
			errs = append(errs, &SettingError{source, s.GetName(), err})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(declared, func(s *providerv1.Setting) bool { return s.GetName() == name }) {
			errs = append(errs, &SettingError{source, name, fmt.Errorf("%s has no such setting%s", p.spec.GetName(), haveSettings(declared))})
		}
	}
	if len(errs) > 0 || len(declared) == 0 {
		return p, nil, errors.Join(errs...)
	}
	if own, err = chosen.compile(p.spec); err != nil {
		return nil, nil, fmt.Errorf("source %q: settings: %w", source, err)
	}
	return own, chosen.all(), nil
}

// all are the values that the source has.
func (c settings) all() map[string]string {
	values := maps.Clone(c.secret)
	for name, value := range c.plain {
		if value != signature.Absent {
			values[name] = value
		}
	}
	return values
}

func haveSettings(declared []*providerv1.Setting) string {
	var names []string
	for _, s := range declared {
		names = append(names, s.GetName())
	}
	if len(names) == 0 {
		return "; it has none"
	}
	return "; there is " + enumerate(names, "and")
}

// take chooses the value of a setting.
func (c settings) take(s *providerv1.Setting, values map[string]string) error {
	value, given := values[s.GetName()]
	switch {
	case !given && s.GetDefault() != "":
		value = s.GetDefault()
	case !given && s.GetOptional():
		if !s.GetSecret() {
			c.plain[s.GetName()] = signature.Absent
		}
		return nil
	case !given:
		return fmt.Errorf("is wanted: %s", s.GetDescription())
	}
	if err := fits(s, value); err != nil {
		return err
	}
	if s.GetSecret() {
		c.secret[s.GetName()] = value
	} else {
		c.plain[s.GetName()] = value
	}
	return nil
}

// fits says what a value must be, and nothing of what it is.
func fits(s *providerv1.Setting, value string) error {
	switch {
	case value == "":
		return errors.New("is empty")
	case len(value) > maxSetting:
		return fmt.Errorf("is longer than %d bytes", maxSetting)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("want a text without control characters")
	case !s.GetSecret() && strings.ContainsAny(value, "{}"):
		return errors.New("want a text without braces")
	case s.GetPattern() != "":
		pattern, err := signature.WholeMatch(s.GetPattern())
		if err != nil {
			return err
		}
		if !pattern.MatchString(value) {
			return fmt.Errorf("want what matches %s", s.GetPattern())
		}
	}
	return nil
}

// compile makes the pack anew with the values.
func (c settings) compile(spec *providerv1.Pack) (*Pack, error) {
	own := proto.CloneOf(spec)
	if err := c.fill(own); err != nil {
		return nil, err
	}
	// The rules of the description hold for what it has become, too. What is absent has no form that they could be held to.
	shown := proto.CloneOf(spec)
	forms := settings{plain: maps.Clone(c.plain)}
	for name, value := range forms.plain {
		if value == signature.Absent {
			forms.plain[name] = "x"
		}
	}
	if err := forms.fill(shown); err != nil {
		return nil, err
	}
	p, err := newPack(own)
	if err = errors.Join(validate(shown), err); err != nil {
		return nil, err
	}
	p.reveal(c.secret)
	return p, nil
}

// reveal gives the conditions that compare with a secret setting its value. One whose secret isn't known never holds.
func (p *Pack) reveal(secrets map[string]string) {
	in := func(conditions []condition) {
		for n := range conditions {
			conditions[n] = conditions[n].WithSecrets(secrets)
		}
	}
	for _, list := range [][]selector{p.id, p.typ, p.ordering} {
		for n := range list {
			in(list[n].when)
		}
	}
	for n := range p.handshakes {
		in(p.handshakes[n].when)
		in(p.handshakes[n].require)
	}
}

// references finds the names of the settings in a text.
var references = regexp.MustCompile(`\{setting:([^{}]*)\}`)

// fill puts the plain values into the description, but for answers: there they are inserted as values, which are escaped.
func (c settings) fill(spec *providerv1.Pack) error {
	return eachText(spec, func(at text) (string, error) {
		if at.isAnswer() {
			return at.value, nil
		}
		var absent error
		filled := references.ReplaceAllStringFunc(at.value, func(reference string) string {
			name, _ := signature.SettingNamed(reference)
			value, ok := c.plain[name]
			switch {
			case !ok:
				return reference // a secret one
			case value == signature.Absent && at.name() == "Claim.equals":
				return reference // which no claim equals, whoever made the token
			case value == signature.Absent && !at.mayBeAbsent():
				absent = fmt.Errorf("%s: the setting %s is wanted here", at.path, name)
			case at.isPattern():
				return regexp.QuoteMeta(value)
			}
			return value
		})
		return filled, absent
	})
}

// checkSettings checks what a pack says of its settings, and compiles it with values that stand in for those of a source. Its error joins what
// is wrong, each behind the way to its field. That nothing uses a setting is said only of a description that is whole.
func checkSettings(spec *providerv1.Pack, whole bool) (*Pack, error) {
	declared, unfit := map[string]*providerv1.Setting{}, map[int]bool{}
	var errs []error
	for n, s := range spec.GetSettings() {
		err := checkSetting(s)
		unfit[n] = err != nil
		if err == nil && declared[s.GetName()] != nil {
			err = fmt.Errorf("%s is there twice", s.GetName())
		}
		errs = append(errs, within(fmt.Sprintf("settings[%d]: ", n), err))
		declared[s.GetName()] = s
	}
	used := map[string]bool{}
	_ = eachText(spec, func(at text) (string, error) {
		errs = append(errs, checkReferences(at, declared, used))
		return at.value, nil
	})
	trial := settings{plain: map[string]string{}}
	whole = whole && errors.Join(errs...) == nil
	for n, s := range spec.GetSettings() {
		if whole && !used[s.GetName()] {
			errs = append(errs, fmt.Errorf("settings[%d]: nothing uses %s", n, s.GetName()))
		}
		if s.GetSecret() {
			continue
		}
		if trial.plain[s.GetName()] = s.GetDefault(); s.GetDefault() == "" || unfit[n] {
			trial.plain[s.GetName()] = fmt.Sprintf("x%d", n)
		}
	}
	var p *Pack
	var err error
	if len(declared) == 0 {
		p, err = newPack(spec)
	} else {
		p, err = trial.compile(spec)
	}
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	p.spec = spec
	return p, nil
}

func checkSetting(s *providerv1.Setting) error {
	if _, err := signature.WholeMatch(s.GetPattern()); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	switch {
	case s.GetDefault() == "":
		return nil
	case s.GetOptional():
		return errors.New("optional is for settings without a default")
	case s.GetSecret():
		return errors.New("a secret has no default")
	}
	if err := fits(s, s.GetDefault()); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

func checkReferences(at text, declared map[string]*providerv1.Setting, used map[string]bool) error {
	if strings.Contains(at.value, signature.Absent) {
		return fmt.Errorf("%s: U+0000 is no text", at.path)
	}
	if n := len(references.FindAllString(at.value, -1)); n != strings.Count(at.value, "{setting:") {
		return fmt.Errorf("%s: a setting is named like {setting:NAME}", at.path)
	}
	for _, found := range references.FindAllStringSubmatch(at.value, -1) {
		s := declared[found[1]]
		switch {
		case s == nil:
			return fmt.Errorf("%s: there is no setting %q", at.path, found[1])
		case s.GetSecret() && !at.mayBeSecret():
			return fmt.Errorf("%s: %s is secret, which is for `equals` of a selector's or handshake's condition and for what is computed", at.path, found[1])
		}
		used[found[1]] = true
	}
	return nil
}
