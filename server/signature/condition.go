package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// Condition is true or false for a request. One that names a setting which the source doesn't have never holds.
type Condition struct {
	place   Place
	equals  *string
	matches *regexp.Regexp
	absent  bool
	// setting is the name of the secret setting that the value must be; secret is its digest, nil as long as it isn't known.
	setting string
	secret  *[sha256.Size]byte
}

// NewCondition checks a condition and makes it ready.
func NewCondition(spec *providerv1.Condition) (Condition, error) {
	place, ok, err := PlaceOf(spec)
	if err != nil {
		return Condition{}, err
	}
	if !ok {
		return Condition{}, errors.New("names no place")
	}
	c := Condition{place: place, equals: spec.Equals, absent: spec.GetAbsent()}
	if c.equals != nil {
		c.setting, _ = SettingNamed(*c.equals)
	}
	if spec.GetMatches() != "" {
		if c.matches, err = WholeMatch(spec.GetMatches()); err != nil {
			return Condition{}, fmt.Errorf("matches: %w", err)
		}
	}
	return c, nil
}

// WholeMatch compiles a regular expression that a whole text must match.
func WholeMatch(expression string) (*regexp.Regexp, error) {
	// By itself first: what closes a group of its own accord must not compile by the parentheses around it.
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// SettingNamed returns the name in a text that is "{setting:NAME}" and nothing else.
func SettingNamed(text string) (name string, ok bool) {
	if name, ok = strings.CutPrefix(text, "{setting:"); !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, "}")
	return name, ok && !strings.ContainsAny(name, "{}")
}

// String says, for people, what the condition wants. Of a secret setting it has the name only.
func (c Condition) String() string {
	switch {
	case c.absent:
		return c.place.String() + " is not there"
	case c.setting != "":
		return c.place.String() + " is the setting " + c.setting
	case c.equals != nil && strings.Contains(*c.equals, Absent):
		return c.place.String() + " is what a setting says that the source doesn't have"
	case c.equals != nil:
		return fmt.Sprintf("%s is %q", c.place, *c.equals)
	case c.matches != nil:
		return fmt.Sprintf("all of %s matches %s", c.place, strings.TrimSuffix(strings.TrimPrefix(c.matches.String(), `\A(?:`), `)\z`))
	}
	return c.place.String() + " is there"
}

// Place returns what the condition looks at.
func (c Condition) Place() Place { return c.place }

// WithSecrets returns the condition with the value of the secret setting that it compares with. Without it, it never holds.
func (c Condition) WithSecrets(secrets map[string]string) Condition {
	if secret, ok := secrets[c.setting]; ok && c.setting != "" && secret != "" {
		digest := sha256.Sum256([]byte(secret))
		c.secret = &digest
	}
	return c
}

// Fulfil returns r with what the conditions want to be there to the letter in a header or in the query, where nothing is there yet. r itself is not
// changed. What else they want, and what they want of the body, is left to what r has.
func Fulfil(r *delivery.Request, conditions []Condition) (*delivery.Request, error) {
	d := newDraft(r)
	for _, c := range conditions {
		if c.equals == nil || c.setting != "" || strings.Contains(*c.equals, Absent) || c.place.kind != inHeader && c.place.kind != inQuery {
			continue
		}
		if c.place.holds(d.request, d.request.Document) {
			continue
		}
		if err := d.set(c.place, *c.equals); err != nil {
			return nil, err
		}
	}
	return d.request, nil
}

// Fits reports whether a text is what the condition's expression matches; false where it has none.
func (c Condition) Fits(text []byte) bool { return c.matches != nil && c.matches.Match(text) }

// Holds reports whether the condition is true. JSON is read from document, everything else from r. A header, a parameter or a form's field that is
// given more than once has no value, and is not absent either: no condition on it holds.
func (c Condition) Holds(r *delivery.Request, document []byte) bool {
	if c.place.kind == nowhere {
		return false
	}
	if c.absent {
		return !c.place.holds(r, document)
	}
	value, ok := c.place.Lookup(r, document)
	switch {
	case !ok:
		return false
	case c.setting != "":
		digest := sha256.Sum256([]byte(value))
		return c.secret != nil && subtle.ConstantTimeCompare(digest[:], c.secret[:]) == 1
	case c.equals != nil:
		return value == *c.equals && !strings.Contains(value, Absent)
	case c.matches != nil:
		return c.matches.MatchString(value)
	}
	return true
}
