package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With an enforced schema, a delivery whose header names another event than its body is refused; of these, only what the header of its own
// type goes with is taken.
func TestTypeThatContradictsTheBodyIsRefusedWhereEnforced(t *testing.T) {
	b := open(t, `journal: {min_free: "0"}
sources:
  - {name: github, provider: github, secrets: [env:github], validation: enforce}
  - {name: shopify, provider: shopify, secrets: [env:shopify], validation: enforce}
`, nil)
	for _, tc := range []struct {
		source, header string
		files          []string
	}{
		{"shopify", "X-Shopify-Topic", []string{"customers~create", "orders~create", "products~create", "shop~redact", "customers~redact", "orders~edited"}},
		{"github", "X-GitHub-Event", []string{"push", "pull_request.opened", "issues.opened", "issue_comment.created", "create", "delete", "fork", "ping"}},
	} {
		for _, file := range tc.files {
			body, err := os.ReadFile(filepath.Join("provider", "samples", tc.source, file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			for n, other := range tc.files {
				typ := strings.ReplaceAll(other, "~", "/")
				if tc.source == "github" {
					typ, _, _ = strings.Cut(typ, ".")
				}
				want, reason := http.StatusUnprocessableEntity, `"SCHEMA_VIOLATION"`
				if other == file {
					want, reason = http.StatusOK, `"duplicate":false`
				}
				a := b.post(tc.source, typ, fmt.Sprintf("%s-%d", file, n), body, http.Header{tc.header: {typ}})
				if a.status != want || !strings.Contains(a.text, reason) {
					t.Errorf("%s of %s under %s: got %d %.300s", file, tc.source, typ, a.status, a.text)
				}
			}
		}
	}
}
