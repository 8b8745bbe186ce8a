// Package method has the few ways of proving a delivery that no description in a pack expresses. Each is a file of its own and is found by
// its name in Table; a pack calls it with `code` and tells it with `parameters` what differs between sources.
//
// Guarantees, beside those of package signature: a method looks into the body before it is verified no further than to find what is signed and by
// whom; where a delivery says where a key is, that is only fetched from the provider's own hosts; and what a provider's signature doesn't cover
// isn't said to be covered, however the provider's documentation puts it.
package method

import (
	"fmt"
	"slices"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// Table has all methods.
func Table() signature.Methods {
	return signature.Methods{
		"adyen":        newAdyen,
		"aws_sns":      newSNS,
		"contentful":   newContentful,
		"jira_connect": newJiraConnect,
		"paypal":       newPayPal,
		"plaid":        newPlaid,
	}
}

// issued reads when a token was made, and compares it with the clock where that is wanted.
func issued(m *signature.Match, t *signature.Token, c signature.Check) error {
	var ok bool
	if m.Time, ok = t.Instant("iat"); !ok {
		return fmt.Errorf("%w: the token has no time", signature.ErrMalformed)
	}
	if c.Tolerance <= 0 {
		return nil
	}
	m.TimeCovered = true
	return signature.Fresh(m.Time, c.Request.ReceivedAt, c.Tolerance)
}

// absent stands for the value of a setting that a source doesn't have.
const absent = "\x00"

// parameters reads a scheme's parameters. All of their names must be among those that are known; a value that is a setting nobody has put in counts as
// absent.
func parameters(spec *providerv1.Scheme, known ...string) (map[string]string, error) {
	values := map[string]string{}
	for n, p := range spec.GetParameters() {
		if !slices.Contains(known, p.GetName()) {
			return nil, fmt.Errorf("parameters[%d]: %s takes no %q", n, spec.GetCode(), p.GetName())
		}
		if _, twice := values[p.GetName()]; twice {
			return nil, fmt.Errorf("parameters[%d]: %q is given twice", n, p.GetName())
		}
		segments, err := signature.ParseTemplate(p.GetValue())
		if err != nil {
			return nil, fmt.Errorf("parameters[%d]: %w", n, err)
		}
		text := ""
		for _, s := range segments {
			switch s.Name {
			case "":
				text += strings.ReplaceAll(s.Text, absent, "")
			case "setting":
			default:
				return nil, fmt.Errorf("parameters[%d]: unknown {%s}", n, s.Name)
			}
		}
		values[p.GetName()] = text
	}
	return values, nil
}
