package provider

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// flipper changes single bits of a request that is authentic. Each change must be refused, and for the right reason.
type flipper struct {
	t      *testing.T
	pack   *Pack
	source *Source
	c      *providerv1.Case
	active active
	spec   *providerv1.Scheme
}

// flip changes what the proof covers: the signature, the body, the timestamp, the id and whatever else is signed, the secret, the clock.
func flip(t *testing.T, pack *Pack, source *Source, c *providerv1.Case) {
	t.Helper()
	f := &flipper{t: t, pack: pack, source: source, c: c}
	f.find()
	f.signature()
	f.body()
	f.signedPlaces()
	f.clock()
	f.secret()
}

// find finds the scheme that takes the case.
func (f *flipper) find() {
	f.t.Helper()
	for _, a := range f.source.schemes {
		r := f.request()
		_, err := a.scheme.VerifyFetching(f.t.Context(), r, a.keys, a.tolerance, f.source.network)
		if holds(a.when, r, r.Document) && err == nil {
			f.active = a
			break
		}
	}
	if f.active.scheme == nil {
		f.t.Fatal("none of the schemes takes the case: there is nothing to change")
	}
	for _, s := range f.source.cfg.Pack.spec.GetSchemes() {
		if s.GetName() == f.active.scheme.Name() {
			f.spec = s
		}
	}
}

// request is the case's, with its document.
func (f *flipper) request() *delivery.Request {
	r := fixtureRequest(f.t, f.c)
	kind, err := f.source.cfg.Pack.bodyOf(r.Header.Get("Content-Type"))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Document = kind.document(r.Header.Get("Content-Type"), r.Body)
	return r
}

// refused wants a request refused for one of the reasons.
func (f *flipper) refused(source *Source, r *delivery.Request, what string, reasons ...string) {
	f.t.Helper()
	outcome, err := source.Receive(f.t.Context(), r)
	if err == nil {
		f.t.Fatalf("%s: accepted, as %+v", what, outcome)
	}
	if got := reasonOf(err); !slices.Contains(reasons, got) {
		f.t.Fatalf("%s: refused with %v, want %v", what, err, reasons)
	}
}

// rewrite changes the value at a place of a request; false where it isn't there.
func rewrite(r *delivery.Request, l signature.Located, change func(string) string) bool {
	place, ok, err := signature.PlaceOf(l)
	if err != nil || !ok {
		return false
	}
	return rewritePlace(r, place, l, change)
}

func rewritePlace(r *delivery.Request, place signature.Place, l signature.Located, change func(string) string) bool {
	value, ok := place.Lookup(r, r.Document)
	if !ok {
		return false
	}
	next := change(value)
	switch {
	case l.GetHeader() != "":
		r.Header.Set(l.GetHeader(), next)
	case l.GetQuery() != "":
		query := r.URL.Query()
		query.Set(l.GetQuery(), next)
		u := *r.URL
		u.RawQuery = query.Encode()
		r.URL = &u
	default:
		// In the body the text stands as it is, or the case is none that can be changed like this.
		if l.GetForm() != "" {
			value, next = url.QueryEscape(value), url.QueryEscape(next)
		}
		if n := bytes.Count(r.Body, []byte(value)); n != 1 {
			return false
		}
		r.Body = bytes.Replace(r.Body, []byte(value), []byte(next), 1)
	}
	return true
}

// signature flips every bit of every signature, in all of the places where there is one.
func (f *flipper) signature() {
	f.t.Helper()
	if f.spec.GetAlgorithm() == "code" || strings.Contains(f.spec.GetSignature()[0].GetJson(), "*") {
		return
	}
	// Some of the bits are enough under the race detector: a public key takes its time there.
	step := 1
	if testing.Short() {
		step = 17
	}
	for bit, more := 0, true; more; bit += step {
		r := f.request()
		if more = f.flipSignatures(r, bit); more {
			f.refused(f.source, r, "a bit of the signature flipped", "SIGNATURE_MISMATCH")
		} else if bit == 0 {
			f.t.Fatal("the case has no signature whose bits could be flipped")
		}
	}
}

// body flips 64 bits that are spread over the body, where the proof covers it.
func (f *flipper) body() {
	f.t.Helper()
	if body := f.request().Body; f.active.scheme.CoversBody() {
		reasons := []string{"SIGNATURE_MISMATCH"}
		if f.active.scheme.ReadsDocument() || len(f.active.when) > 0 || f.spec.GetAlgorithm() == "jws" {
			reasons = append(reasons, "SIGNATURE_MISSING", "SIGNATURE_MALFORMED")
		}
		for n := range min(spread(), 8*len(body)) {
			r := f.request()
			r.Body = bytes.Clone(body)
			r.Body[n*len(body)/spread()%len(body)] ^= 1 << (n % 8)
			f.refused(f.source, r, "a bit of the body flipped", reasons...)
		}
		if len(body) > 0 {
			r := f.request()
			r.Body = body[:len(body)-1]
			f.refused(f.source, r, "the body without its end", reasons...)
		}
	}
}

// signedPlaces flips the lowest bit of every letter and digit of the id, of the timestamp and of what else is signed by name.
func (f *flipper) signedPlaces() {
	f.t.Helper()
	content := f.spec.GetContent()
	for _, part := range f.spec.GetContentParts() {
		content += part.GetText()
	}
	segments, err := signature.ParseTemplate(content)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range segments {
		switch s.Name {
		case "ts":
			for _, at := range f.spec.GetTimestamp().GetAt() {
				f.flipAt(at)
			}
		case "id":
			for _, at := range f.spec.GetId() {
				f.flipAt(at)
			}
		case "header", "query", "form", "json":
			f.flipAt(located{s.Name, strings.TrimSuffix(s.Args, "|lower")})
		}
	}
}

func (f *flipper) flipAt(at signature.Located) {
	f.t.Helper()
	for n, more := 0, true; more; n++ {
		r := f.request()
		found := rewrite(r, at, func(value string) string {
			next := []byte(value)
			seen := 0
			for i, c := range next {
				if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
					if seen == n {
						next[i] ^= 1
						return string(next)
					}
					seen++
				}
			}
			more = false
			return value
		})
		if !found {
			return
		}
		if more {
			// A date may have become none, and the scheme may not be looked at any more.
			reasons := []string{"SIGNATURE_MISMATCH", "SIGNATURE_MALFORMED"}
			if len(f.active.when) > 0 {
				reasons = append(reasons, "SIGNATURE_MISSING")
			}
			f.refused(f.source, r, "a bit of "+placeText(at)+" flipped", reasons...)
		}
	}
}

// located is a place that a template names.
type located struct{ kind, name string }

func (l located) of(kind string) string {
	if l.kind == kind {
		return l.name
	}
	return ""
}
func (l located) GetHeader() string { return l.of("header") }
func (l located) GetQuery() string  { return l.of("query") }
func (l located) GetForm() string   { return l.of("form") }
func (l located) GetJson() string   { return l.of("json") }

// clock moves the clock just outside of the tolerance, either way.
func (f *flipper) clock() {
	f.t.Helper()
	r := f.request()
	match, err := f.active.scheme.VerifyFetching(f.t.Context(), r, f.active.keys, f.active.tolerance, f.source.network)
	if err != nil || !match.TimeCovered {
		return
	}
	for _, offset := range []time.Duration{f.active.tolerance, -f.active.tolerance} {
		r.ReceivedAt = match.Time.Add(offset)
		if _, err := f.active.scheme.VerifyFetching(f.t.Context(), r, f.active.keys, f.active.tolerance, f.source.network); err != nil {
			f.t.Fatalf("at the end of the tolerance: %v", err)
		}
		r.ReceivedAt = r.ReceivedAt.Add(offset / offset.Abs())
		f.refused(f.source, r, "a nanosecond outside of the tolerance", "TIMESTAMP_OUT_OF_TOLERANCE")
	}
}

// secret flips a bit of each letter of the secrets: what is still of the key's form is another key.
func (f *flipper) secret() {
	f.t.Helper()
	if !slices.ContainsFunc([]string{"hmac-", "sha", "token", "basic"}, func(p string) bool { return strings.HasPrefix(f.spec.GetAlgorithm(), p) }) {
		return // a public key, whose bits can be more than its numbers
	}
	end := 0
	if strings.HasPrefix(f.spec.GetKey().GetEncoding(), "base64") {
		end = 3 // the last bits don't count
	}
	for n := range f.c.GetSecrets()[0] {
		var secrets []string
		for _, secret := range f.c.GetSecrets() {
			changed := []byte(secret)
			if n < len(secret)-end {
				changed[n] ^= 1
			}
			secrets = append(secrets, string(changed))
		}
		if slices.Equal(secrets, f.c.GetSecrets()) {
			return
		}
		cfg := f.source.cfg
		cfg.Pack, cfg.Secrets = f.pack, secrets
		other, err := NewSource(cfg)
		if err != nil {
			continue // it is none of the form
		}
		// Another key may be one of another scheme, which finds nothing of its own.
		f.refused(other, f.request(), "a bit of the secret flipped", "SIGNATURE_MISMATCH", "SIGNATURE_MISSING", "SIGNATURE_MALFORMED")
	}
}

// spread is how many places of a body are changed.
func spread() int {
	if testing.Short() {
		return 8
	}
	return 64
}
