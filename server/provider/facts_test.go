package provider

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
)

// row is what the collection's table says of a provider.
type row struct {
	Key       string
	Retry     string
	IDStable  string   `yaml:"id_stable"`
	Unv       []string `yaml:"unv"`
	Tolerance int      `yaml:"tol"`
	TS        string   `yaml:"ts"`
	Signature string   `yaml:"sig"`
	Algorithm string   `yaml:"alg"`
	Encoding  string   `yaml:"enc"`
	Prefix    string
	Content   string
	Type      string
	ID        string `yaml:"id"`
}

// doubted says which fact of a pack a doubt of the table is about: any of these has to be named.
var doubted = map[string][]string{
	"alg": {"algorithm"}, "content": {"content"}, "ct": {"body"}, "CloudEvents form": {"body"},
	"enc": {"encoding"}, "enc hex": {"encoding"}, "format": {"signature"}, "sig": {"signature"},
	"X-Forgejo-Signature": {"signature"}, "Content-Sha256": {"signature"},
	"handshake": {"handshake", "answers"}, "handshake detail": {"handshake"}, "every POST": {"answers"},
	"id": {"id"}, "meta.webhook_id": {"id"}, "X-Webhook-Id meaning": {"id"},
	"id_stable": {"id_stable"}, "which of the two ids is stable on replay": {"id_stable"},
	"keydec": {"key"}, "tol": {"tolerance"}, "ts": {"timestamp"}, "ts unit": {"timestamp"},
	"type": {"type"}, "X-Event-Name": {"type"}, "v2 names": {"type"},
	"retry": {"retries"}, "no retry": {"retries"}, "retry 72 h": {"retries"}, "retry counts": {"retries"},
	"retry numbers": {"retries"}, "retry spacing": {"retries"}, "attempt_number": {"retries"}, "retry default": {"deadline"},
}

// doubtedNotes are the rows whose note is in doubt, and what it is about.
var doubtedNotes = map[string]string{
	"ably": "key", "cal_com": "key", "pusher": "key", "meta": "content", "tally": "content", "npm": "docs_url",
}

// unpacked are the rows without a pack of their own.
var unpacked = map[string]string{
	"adobe_io":            "needs a fetched key of a form that no scheme has",
	"ebay":                "its keys are behind an API that wants credentials of its own",
	"generic_cloudevents": "no signature",
	"gitlab_signed":       "the pack gitlab has both ways",
	"keygen":              "HTTP message signatures",
	"paddle_classic":      "signs a serialization of PHP's",
	"plivo":               "glues URL and form by a rule that no template has",
	"vapi":                "whoever uses it chooses the scheme; the pack hmac is for that",
}

// states says whether a pack admits that a fact is unverified, or says what confirms it.
func states(spec *providerv1.Pack, facts ...string) bool {
	return slices.ContainsFunc(facts, func(fact string) bool {
		return slices.Contains(spec.GetUnverifiedFacts(), fact) ||
			slices.ContainsFunc(spec.GetConfirmed(), func(c *providerv1.Confirmation) bool { return c.GetFact() == fact })
	})
}

// What is unverified is said in words wherever it is said by name, and the other way round.
func TestUnverifiedFactsHaveWords(t *testing.T) {
	c := catalogue(t)
	for _, key := range c.Keys() {
		pack, _ := c.Get(key)
		if names, words := len(pack.Spec().GetUnverifiedFacts()), len(pack.Spec().GetUnverified()); (names == 0) != (words == 0) {
			t.Errorf("%s: %d unverified facts by name and %d in words", key, names, words)
		}
	}
}

// Every doubt of the table is one of the pack, or the pack says what confirms the fact; and what a pack says beyond its row, or against
// it, it says with a doubt or with a source.
func TestNoFactWithoutASource(t *testing.T) {
	c := catalogue(t)
	compared := 0
	for _, r := range readRows(t) {
		pack, ok := c.Get(r.Key)
		if _, listed := unpacked[r.Key]; listed == ok {
			t.Errorf("%s: has a pack: %t, listed as without one: %t", r.Key, ok, listed)
		}
		if !ok {
			continue
		}
		compared++
		t.Run(r.Key, func(t *testing.T) { r.compare(t, pack) })
	}
	if compared != 192 || len(unpacked) != 8 {
		t.Errorf("%d rows compared and %d without a pack, want 192 and 8", compared, len(unpacked))
	}
}

func readRows(t *testing.T) []row {
	t.Helper()
	content, err := os.ReadFile(sharedtest.Path(t, "providers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Providers []row }
	if err := yaml.Unmarshal(content, &table); err != nil {
		t.Fatal(err)
	}
	return table.Providers
}

var (
	noRetries   = regexp.MustCompile(`(?i)\bno (automatic )?retry\b`)
	saysRetries = regexp.MustCompile(`(?i)retr|tries|again|backoff|schedule|exponential|redeliver|up to|discards|attempts|disabled after|deactivated`)
)

// svixSends is how the table says that somebody sends by Svix, whose row has the numbers.
const svixSends = "Svix schedule"

func (r row) compare(t *testing.T, pack *Pack) {
	spec := pack.Spec()
	for _, doubt := range r.Unv {
		facts, ok := doubted[doubt]
		switch {
		case doubt == "note":
			facts = []string{doubtedNotes[r.Key]}
		case !ok:
			t.Errorf("a doubt of an unknown kind: %q", doubt)
		}
		if !states(spec, facts...) {
			t.Errorf("%q is unverified in the table, and the pack neither says so (%v) nor what confirms it", doubt, facts)
		}
	}
	if d := pack.deadline(); d > 0 && !states(spec, "deadline") {
		inRow := regexp.MustCompile(fmt.Sprintf(`\b%g(-\d+)? ?s\b|-%[1]g s`, d.Seconds())).MatchString(r.Retry) ||
			strings.Contains(r.Retry, svixSends) && d.Seconds() == 15
		if !inRow || slices.Contains(r.Unv, "retry") {
			t.Errorf("the deadline of %s has no source: the table says %q", d, r.Retry)
		}
	}
	if !saysRetries.MatchString(r.Retry) && !states(spec, "retries") {
		t.Errorf("whether it is sent again (%t) has no source: the table says %q", spec.GetRetries(), r.Retry)
	}
	if noRetries.MatchString(r.Retry) && spec.GetRetries() {
		t.Errorf("it is sent again, and the table says %q", r.Retry)
	}
	r.compareID(t, pack)
	r.comparePlaces(t, spec)
	r.compareProof(t, spec)
}

// compareID compares whether a retry has the same id. A pack without an id uses a digest of the body, of which the table says nothing.
func (r row) compareID(t *testing.T, pack *Pack) {
	spec := pack.Spec()
	has := len(spec.GetId()) > 0 || slices.ContainsFunc(spec.GetSchemes(), func(s *providerv1.Scheme) bool { return len(s.GetId()) > 0 })
	want := map[string]string{"true": "yes", "false": "no"}[r.IDStable]
	got := spec.GetIdStable()
	if got == "unknown" {
		got = ""
	}
	if has && got != want && !states(spec, "id_stable") {
		t.Errorf("whether a retry has the same id: %q, the table says %q", spec.GetIdStable(), r.IDStable)
	}
}

// placeName is a place as the table writes it.
var placeName = regexp.MustCompile(`(?:header|body|form|query|jwt):([A-Za-z0-9_.*\[\]-]+)`)

// comparePlaces wants type and id where the table has them, in one of its places at least, or a doubt or a source.
func (r row) comparePlaces(t *testing.T, spec *providerv1.Pack) {
	ids := selectorNames(spec.GetId())
	for _, s := range spec.GetSchemes() {
		for _, at := range s.GetId() {
			ids = append(ids, lastName(at.GetHeader()), lastName(at.GetClaim()))
		}
	}
	for fact, c := range map[string]struct {
		row  string
		pack []string
	}{"type": {r.Type, selectorNames(spec.GetType())}, "id": {r.ID, ids}} {
		named := placeName.FindAllStringSubmatch(c.row, -1)
		found := slices.ContainsFunc(named, func(m []string) bool { return slices.Contains(c.pack, lastName(m[1])) })
		_, listed := differently[r.Key+"/"+fact]
		switch {
		case len(named) == 0 || states(spec, fact):
			if listed {
				t.Errorf("the %s is in doubt, and listed as written differently", fact)
			}
		case found == listed:
			t.Errorf("the %s is in %v, the table says %q; listed as written differently: %t", fact, c.pack, c.row, listed)
		}
	}
}

// selectorNames are the last names of the places that selectors read.
func selectorNames(selectors []*providerv1.Selector) []string {
	var names []string
	for _, s := range selectors {
		for _, part := range s.GetParts() {
			for _, place := range []string{part.GetHeader(), part.GetQuery(), part.GetForm(), part.GetJson(), part.GetEnvelope()} {
				if place != "" {
					names = append(names, lastName(place))
				}
			}
		}
	}
	return names
}

// lastName is the last name of a path, in lower case.
func lastName(path string) string {
	path = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(path, "")
	path = strings.TrimRight(path, ".")
	return strings.ToLower(path[strings.LastIndex(path, ".")+1:])
}
