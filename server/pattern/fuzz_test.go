package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func FuzzPattern(f *testing.F) {
	f.Add("a*b*", "axb")
	f.Add("a*a", "a")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[\s\S]*`)
		if re, err := regexp.Compile(`\A` + quoted + `\z`); err == nil && len(pattern) < 100 && Match(pattern, s) != re.MatchString(s) {
			t.Errorf("Match(%q, %q) = %v", pattern, s, Match(pattern, s))
		}
	})
}
