package rejection

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
	"github.com/hookbridge/hookbridge/server/signature"
)

// publishing publishes its keys.
const publishing = `key: acme
name: Acme
docs_url: https://acme.example/webhooks
schemes:
  - name: token
    algorithm: jws
    signature: [{header: X-Acme-Token}]
    key_source: {url: "https://acme.example/keys", format: jwks}
    jws: {algorithms: [RS256], claims: [{name: iss, equals: acme}]}
type: [{parts: [{json: type}]}]
bodies: [{media_type: application/json}]
retries: true
proof: signer
evidence: ["a test"]
guide: {endpoint: "Settings", secret: "Settings, too.", retries: "Never."}
`

// Keys that the provider publishes are not fetched again to look into a refusal: what was found when it arrived is said, and no more.
func TestPublishedKeys(t *testing.T) {
	own, err := provider.NewSource(provider.SourceConfig{Name: "acme", Pack: parsePack(t, publishing)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	claim := signature.Mismatched(fmt.Errorf("%w: x", signature.ErrMismatch), "the claim iss", `"acme"`, false)
	claim.Got = `"other"`
	for _, c := range []struct {
		name, reason, want string
		cause              error
	}{
		{"no key made it", "SIGNATURE_MISMATCH", "NOT_EXAMINED it is checked with keys that Acme publishes, and none is fetched to look into a refusal. " +
			"All that is known is what the sender was told: what was told", signature.ErrMismatch},
		{"a claim", "SIGNATURE_MISMATCH", `CLAIM it is signed with a key that Acme publishes, but the claim iss has to be "acme", and is "other"`, fmt.Errorf("receive: %w", claim)},
		{"an expired one", "TIMESTAMP_OUT_OF_TOLERANCE", "CLOCK the token is right, but expired 2m0s ago, by the claim exp; by the bridge's clock it is 2026-03-01T09:00:00Z: " +
			"if that is right, the delivery was held back on its way or sent again as it was; if not, see that the machine gets the time by NTP",
			&signature.AfterProof{What: "the claim exp", At: now.Add(-2 * time.Minute)}},
		{"an old one", "TIMESTAMP_OUT_OF_TOLERANCE", "CLOCK it is signed with a key that Acme publishes, and the sender was told: what was told. " +
			"See that the machine gets the time by NTP; if it does, the delivery was held back on its way or sent again as it was", signature.ErrStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := New(Config{})
			if err != nil {
				t.Fatal(err)
			}
			l.SetSources(builtin(t), []*provider.Source{own})
			const rs256 = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"
			found := l.examine(t.Context(), &item{
				entry: &hookbridgev1.RefusedDelivery{Source: "acme", Reason: c.reason, Message: "what was told"}, cause: c.cause,
				request: &delivery.Request{Method: http.MethodPost, Header: http.Header{"X-Acme-Token": {rs256}}, ReceivedAt: now},
			})
			var got []string
			for _, d := range found {
				got = append(got, strings.TrimPrefix(d.GetKind().String(), "KIND_")+" "+d.GetMessage())
			}
			if diff := cmp.Diff([]string{c.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
