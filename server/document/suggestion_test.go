package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDidYouMean(t *testing.T) {
	candidates := []string{"github", "gitlab", "gitea", "stripe", "max_age", "max_bytes", "filter.sources"}
	for word, want := range map[string]string{
		"githb": `; did you mean "github"?`, "Gihtub": `; did you mean "github"?`, "strip": `; did you mean "stripe"?`,
		"maxAge": `; did you mean "max_age"?`, "max-bytes": `; did you mean "max_bytes"?`, "shopify": "", "source": `; did you mean "filter.sources"?`, "filtersources": `; did you mean "filter.sources"?`, "filter": "",
		"": "", "zz": "",
		strings.Repeat("github", 1000): "",
	} {
		if diff := cmp.Diff(want, DidYouMean(word, candidates)); diff != "" {
			t.Errorf("%.20q (-want +got)\n%s", word, diff)
		}
	}
}
