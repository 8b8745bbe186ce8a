package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"*", []string{"", "a", "*", "a.b\n"}, nil},
		{"invoice.paid", []string{"invoice.paid"}, []string{"invoice.paid.x", "invoice", "Invoice.paid", "invoice-paid"}},
		{"invoice.*", []string{"invoice.", "invoice.paid", "invoice.a.b"}, []string{"invoice", "xinvoice.paid"}},
		{"*.paid", []string{".paid", "invoice.paid", "a.paid.paid"}, []string{"paid", "invoice.paid.x"}},
		{"a*b*c", []string{"abc", "axbxc", "abbcc", "abcbc"}, []string{"ab", "ac", "abcx", "acb"}},
		{"a**c", []string{"ac", "abc"}, []string{"a", "c"}},
		{"*a*", []string{"a", "bab"}, []string{"", "b"}},
	} {
		for _, name := range tc.yes {
			if !Match(tc.pattern, name) {
				t.Errorf("%q doesn't match %q", tc.pattern, name)
			}
		}
		for _, name := range tc.no {
			if Match(tc.pattern, name) {
				t.Errorf("%q matches %q", tc.pattern, name)
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tc := range []struct {
		wide, narrow string
		want         bool
	}{
		{"*", "*", true},
		{"*", "stripe-*", true},
		{"stripe-*", "stripe-*", true},
		{"stripe-*", "stripe-eu", true},
		{"stripe-*", "stripe-*-test", true},
		{"stripe-*", "stripe-eu-*", true},
		{"stripe-eu-*", "stripe-*", false},
		{"stripe-*", "*", false},
		{"stripe-*", "str*", false},
		{"stripe-*", "*stripe-", false},
		{"*-eu", "stripe-*-eu", true},
		{"*-eu", "stripe-*", false},
		{"a*b", "ab", true},
		{"a*b", "a*b*", false},
		{"a*b", "a*c*b", true},
		{"stripe", "stripe*", false},
		{"**", "*", true},
		{"*", "**", true},
	} {
		if got := Covers(tc.wide, tc.narrow); got != tc.want {
			t.Errorf("Covers(%q, %q) = %v", tc.wide, tc.narrow, got)
		}
	}
}

// words returns every text of at most n of the letters.
func words(letters string, n int) []string {
	all, last := []string{""}, []string{""}
	for range n {
		var next []string
		for _, w := range last {
			for _, l := range letters {
				next = append(next, w+string(l))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// Covers says of every two short patterns what comparing all that they match says.
func TestCoversIsInclusion(t *testing.T) {
	patterns, names := words("ab*", 4), words("abc", 6)
	matched := make([][]bool, len(patterns))
	for i, p := range patterns {
		compiled := regexp.MustCompile("^" + strings.ReplaceAll(p, "*", ".*") + "$")
		for _, name := range names {
			match := Match(p, name)
			if match != compiled.MatchString(name) {
				t.Fatalf("Match(%q, %q) = %v", p, name, match)
			}
			matched[i] = append(matched[i], match)
		}
	}
	for i, wide := range patterns {
		for j, narrow := range patterns {
			within := true
			for n := range names {
				within = within && (matched[i][n] || !matched[j][n])
			}
			if got := Covers(wide, narrow); got != within {
				t.Errorf("Covers(%q, %q) = %v", wide, narrow, got)
			}
		}
	}
}
