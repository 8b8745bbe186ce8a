package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// stride is how many bits are gone on after each one that is flipped. Some of them are enough under the race detector.
func stride() int {
	if testing.Short() {
		return 17
	}
	return 1
}

// check wants a vector verified, and each of its changes refused.
func (p published) check(t *testing.T, v vector) {
	if p.complete != nil {
		p.complete(t, &v)
	}
	pack, ok := catalogue(t).Get(p.pack)
	if !ok {
		t.Fatalf("no pack %q", p.pack)
	}
	c := vectorCase(t, pack, v)
	c.Scheme = p.scheme
	f := &flipper{t: t, pack: pack, source: fixtureSource(t, pack, c), c: c}
	err := receiveVector(f.source, fresh(f))
	if v.Expect == "invalid" {
		if !errors.Is(err, ErrSignatureMismatch) {
			t.Fatalf("an invalid vector: got %v, want ErrSignatureMismatch", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	f.find()
	if v.RotationSecret != "" {
		cfg := f.source.cfg
		cfg.Secrets = []string{v.RotationSecret}
		rotated, err := NewSource(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiveVector(rotated, fresh(f)); err != nil {
			t.Errorf("under the other secret: %v", err)
		}
	}
	changed := map[string]int{}
	refuse := func(place string, source *Source, r *delivery.Request) {
		t.Helper()
		changed[place]++
		if source == nil {
			return // the secret is none any more
		}
		err := receiveVector(source, r)
		if !errors.Is(err, ErrSignatureMismatch) && !errors.Is(err, ErrSignatureMalformed) && !errors.Is(err, ErrSignatureMissing) {
			t.Fatalf("a bit of the %s flipped: got %v, want it refused as not authentic", place, err)
		}
	}
	p.flipBody(f, refuse)
	p.flipSignature(f, refuse)
	p.flipTime(f, refuse)
	p.flipURL(f, refuse)
	p.flipSecret(f, refuse)
	for _, place := range []string{"body", "signature", "time", "url", "secret"} {
		reason, open := p.open[place]
		switch {
		case !open && changed[place] == 0:
			t.Errorf("no bit of the %s was flipped, and no reason is given", place)
		case open && reason == "":
			t.Errorf("the %s is open without a reason", place)
		case open && !p.taken(f, place):
			t.Errorf("the %s is listed as not signed in all of it, and no change of it is taken", place)
		}
	}
}

// receiveVector is Receive, which wants an event, or for a request that can't be a delivery, because it isn't a POST, the proof alone.
func receiveVector(s *Source, r *delivery.Request) error {
	if r.Method == http.MethodPost {
		outcome, err := s.Receive(context.Background(), r)
		if err == nil && outcome.Verified == nil {
			return fmt.Errorf("answered %+v, and no event", outcome.Answer)
		}
		return err
	}
	_, _, err := s.verify(context.Background(), r, &reading{kind: s.cfg.Pack.bodies[0], request: r})
	return err
}

// fresh is the vector's request, with a body of its own.
func fresh(f *flipper) *delivery.Request {
	f.t.Helper()
	r := fixtureRequest(f.t, f.c)
	r.Body = bytes.Clone(r.Body)
	return r
}

// taken is whether a request is still taken when what is listed as not signed changes; a time that isn't signed isn't looked for.
func (p published) taken(f *flipper, place string) bool {
	f.t.Helper()
	switch place {
	case "time":
		return f.spec.GetTimestamp() == nil
	case "url":
		r := fresh(f)
		u := *r.URL
		u.Host = "another.example.org"
		r.URL = &u
		return receiveVector(f.source, r) == nil
	}
	for at := range fresh(f).Body {
		r := fresh(f)
		r.Body[at] ^= 1
		if receiveVector(f.source, r) == nil {
			return true
		}
	}
	r := fresh(f)
	r.Body = append(r.Body, ' ')
	return receiveVector(f.source, r) == nil
}

// flipBody flips the bits of the body, or of those of its members that are signed, and puts a byte behind it.
func (p published) flipBody(f *flipper, refuse func(string, *Source, *delivery.Request)) {
	f.t.Helper()
	body := fresh(f).Body
	var places []int
	if len(p.members) > 0 {
		for _, name := range p.members {
			m := regexp.MustCompile(`"` + name + `"\s*:\s*"?([^",}]+)`).FindSubmatchIndex(body)
			if m == nil {
				f.t.Fatalf("no member %q", name)
			}
			for at := m[2]; at < m[3]; at++ {
				places = append(places, at)
			}
		}
	} else if _, open := p.open["body"]; open {
		return
	} else {
		// Of a large body fewer bytes, so that not more than 64 MiB are hashed.
		for at, step := 0, max(1, len(body)/256, len(body)*len(body)/(8<<20)); at < len(body); at += step {
			places = append(places, at)
		}
		r := fresh(f)
		r.Body = append(r.Body, '\n')
		refuse("body", f.source, r)
	}
	for n := 0; n < 8*len(places); n += stride() {
		r := fresh(f)
		r.Body[places[n/8]] ^= 1 << (n % 8)
		if sameForm(f, body, r.Body) {
			continue
		}
		refuse("body", f.source, r)
	}
}

// sameForm is for the escapes of a form whose fields are signed: another case of their digits is the same field.
func sameForm(f *flipper, a, b []byte) bool {
	if f.spec.GetContent() == "" || strings.Contains(f.spec.GetContent(), "{body}") || f.spec.GetBodyDigests() != nil {
		return false
	}
	one, err1 := url.ParseQuery(string(a))
	other, err2 := url.ParseQuery(string(b))
	return err1 == nil && err2 == nil && one.Encode() == other.Encode()
}

// flipSignature flips the bits that the signatures stand for: all of them at once, so that none is left that would count.
func (p published) flipSignature(f *flipper, refuse func(string, *Source, *delivery.Request)) {
	f.t.Helper()
	notation := *f
	if f.spec.GetAlgorithm() == "code" {
		notation.spec = &providerv1.Scheme{Encoding: "base64"}
	}
	for bit, more := 0, true; more; bit += stride() {
		r := fresh(f)
		switch {
		case p.token != "":
			more = flipSegment(r.Header, p.token, 2, bit)
		case p.member != "":
			m := regexp.MustCompile(`"` + p.member + `"\s*:\s*"([^"]+)"`).FindSubmatchIndex(r.Body)
			next, flipped := notation.flipped(string(r.Body[m[2]:m[3]]), bit)
			copy(r.Body[m[2]:], next)
			more = flipped
		default:
			more = f.flipSignatures(r, bit)
		}
		if more {
			refuse("signature", f.source, r)
		}
	}
}

// flipSegment flips a bit of one of the three parts of a token; false where it has no such bit.
func flipSegment(h http.Header, name string, segment, bit int) bool {
	scheme, token, ok := strings.Cut(h.Get(name), " ")
	if scheme += " "; !ok {
		scheme, token = "", h.Get(name)
	}
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[segment])
	if err != nil || bit >= 8*len(raw) {
		return false
	}
	raw[bit/8] ^= 1 << (bit % 8)
	parts[segment] = base64.RawURLEncoding.EncodeToString(raw)
	h.Set(name, scheme+strings.Join(parts, "."))
	return true
}

// flipTime flips the bits of the time that is signed. That of a token is a claim: it is flipped with all of the claims.
func (p published) flipTime(f *flipper, refuse func(string, *Source, *delivery.Request)) {
	f.t.Helper()
	token := p.token
	if f.spec.GetJws() != nil {
		token = f.spec.GetSignature()[0].GetHeader()
	}
	for bit, more := 0, token != ""; more; bit += stride() {
		r := fresh(f)
		if more = flipSegment(r.Header, token, 1, bit); more {
			refuse("time", f.source, r)
		}
	}
	for _, at := range f.spec.GetTimestamp().GetAt() {
		name := at.GetHeader()
		var start, end int
		switch {
		case at.GetHeader() != "":
			end = len(fresh(f).Header.Get(name))
		case at.GetItem() != "":
			name = f.spec.GetSignature()[0].GetHeader()
			value, key := fresh(f).Header.Get(name), at.GetItem()+f.spec.GetList().GetAssign()
			start = strings.Index(value, key) + len(key)
			end = start + strings.IndexAny(value[start:]+f.spec.GetList().GetSeparator(), f.spec.GetList().GetSeparator())
		}
		for bit := 8 * start; bit < 8*end; bit += stride() {
			r := fresh(f)
			value := []byte(r.Header.Get(name))
			value[bit/8] ^= 1 << (bit % 8)
			r.Header.Set(name, string(value))
			refuse("time", f.source, r)
		}
	}
}

// flipURL flips the bits of the URL, where it is signed: of all of it, or of path and query.
func (p published) flipURL(f *flipper, refuse func(string, *Source, *delivery.Request)) {
	f.t.Helper()
	text := fresh(f).URL.String()
	start := 0
	if _, open := p.open["url"]; open {
		if p.token == "" {
			return
		}
		start = strings.Index(text, fresh(f).URL.Path)
	}
	for bit := 8 * start; bit < 8*len(text); bit += stride() {
		next := []byte(text)
		next[bit/8] ^= 1 << (bit % 8)
		u, err := url.Parse(string(next))
		if err != nil || u.String() == text {
			continue // no URL, or the same one
		}
		r := fresh(f)
		r.URL = u
		refuse("url", f.source, r)
	}
	if p.method {
		r := fresh(f)
		r.Method = http.MethodPut
		refuse("method", f.source, r)
	}
}

// flipSecret flips the bits of the secret. One that doesn't fit the key's form any more is refused when the source is made.
func (p published) flipSecret(f *flipper, refuse func(string, *Source, *delivery.Request)) {
	f.t.Helper()
	secret := f.c.GetSecrets()[0]
	n := 0
	eachFlip(secret, func(_ int, changed string) {
		if n++; n%stride() != 0 || sameKey(f.spec, secret, changed) {
			return
		}
		cfg := f.source.cfg
		cfg.Secrets, cfg.DigestWindow = []string{changed}, time.Minute
		other, err := NewSource(cfg)
		if err != nil {
			other = nil
		}
		refuse("secret", other, fresh(f))
	})
}
