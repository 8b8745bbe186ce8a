package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// claim is a demand on a claim of a token's payload.
type claim struct {
	name     string
	at       Place
	equals   []demandPart // nil: it must be there, whatever it is
	optional bool
}

// demandKind is what stands in braces in a demand.
type demandKind uint8

const (
	demandText demandKind = iota + 1
	wholeBody
	wholeURL
	demandMethod
	demandPlace
	// unset is a setting that nobody has put in: it is equal to nothing.
	unset
)

type demandPart struct {
	kind demandKind
	text string
	at   Place
	// digest is how the SHA-256 of it is written; nil: it stands there itself.
	digest func([]byte) string
}

func newClaim(spec *providerv1.Claim) (claim, error) {
	p, err := jsonPlace(spec.GetName())
	if err != nil {
		return claim{}, err
	}
	p.kind = inClaim
	c := claim{name: spec.GetName(), at: p, optional: spec.GetOptional()}
	segments, err := ParseTemplate(spec.GetEquals())
	if err != nil {
		return claim{}, err
	}
	if len(segments) > maxParts {
		return claim{}, fmt.Errorf("equals has more than %d parts", maxParts)
	}
	for _, s := range segments {
		part, err := newDemand(s)
		if err != nil {
			return claim{}, fmt.Errorf("equals: %w", err)
		}
		c.equals = append(c.equals, part)
	}
	if c.optional && slices.ContainsFunc(c.equals, func(p demandPart) bool { return p.kind == wholeBody }) {
		return claim{}, errors.New("what covers the body is not optional")
	}
	return c, nil
}

func newDemand(s Segment) (demandPart, error) {
	if s.Name == "" {
		return demandPart{kind: demandText, text: s.Text}, nil
	}
	whole := map[string]demandKind{"body": wholeBody, "url": wholeURL, "method": demandMethod}
	switch s.Name {
	case "setting":
		return demandPart{kind: unset, text: s.Args}, nil
	case "sha256_hex", "sha256_base64":
		kind := whole[s.Args]
		if kind != wholeBody && kind != wholeURL {
			return demandPart{}, fmt.Errorf("unknown {%s:%s}, want the digest of body or url", s.Name, s.Args)
		}
		digest := hex.EncodeToString
		if s.Name == "sha256_base64" {
			digest = base64.StdEncoding.EncodeToString
		}
		return demandPart{kind: kind, digest: digest}, nil
	}
	if kind, ok := whole[s.Name]; ok && s.Args == "" {
		return demandPart{kind: kind}, nil
	}
	p, err := PlaceNamed(s.Name, s.Args)
	return demandPart{kind: demandPlace, at: p}, err
}

// pins reports whether the claim can't be right for another body, or another URL.
func (c claim) pins(kind demandKind) bool {
	return !c.optional && slices.ContainsFunc(c.equals, func(p demandPart) bool { return p.kind == kind })
}

func (c claim) names(at Place) bool {
	return slices.ContainsFunc(c.equals, func(p demandPart) bool { return p.kind == demandPlace && p.at == at })
}

// want is what the claim must be.
func (c claim) want(r *delivery.Request) (string, error) {
	var text []byte
	for _, p := range c.equals {
		var value []byte
		switch p.kind {
		case demandText:
			value = []byte(p.text)
		case wholeBody:
			value = r.Body
		case wholeURL:
			if r.URL != nil {
				value = []byte(r.URL.String())
			}
		case demandMethod:
			value = []byte(r.Method)
		case demandPlace:
			found, ok, err := p.at.single(r)
			switch {
			case err != nil:
				return "", fmt.Errorf("%w: %w", ErrMalformed, err)
			case !ok:
				return "", fmt.Errorf("%w: want %s, which is part of what is signed", ErrMissing, p.at)
			}
			value = []byte(found)
		case unset:
			return "", fmt.Errorf("%w: the claim %s can't be compared, the setting %s has no value", ErrMismatch, c.name, p.text)
		}
		if p.digest != nil {
			sum := sha256.Sum256(value)
			value = []byte(p.digest(sum[:]))
		}
		text = append(text, value...)
	}
	return string(text), nil
}

// check compares the claim of a verified token. Its errors name the claim and not what it had to be.
func (c claim) check(t *Token, r *delivery.Request) error {
	value := gjson.GetBytes(t.payload, c.at.path)
	switch {
	case !value.Exists() && c.optional:
		return nil
	case !value.Exists():
		err := c.wrong(fmt.Errorf("%w: the token has no claim %s", ErrMismatch, c.name), "", r)
		err.Absent = true
		return err
	case len(c.equals) == 0:
		return nil
	}
	want, err := c.want(r)
	if err != nil {
		return c.wrong(err, "", r)
	}
	if text, ok := scalar(value); ok && text == want {
		return nil
	}
	if value.IsArray() && slices.ContainsFunc(value.Array(), func(e gjson.Result) bool { return e.Type == gjson.String && e.Str == want }) {
		return nil
	}
	got, _ := scalar(value)
	return c.wrong(fmt.Errorf("%w: the token's claim %s is for something else", ErrMismatch, c.name), got, r)
}

// wrong says what the claim is and what it had to be.
func (c claim) wrong(cause error, got string, r *delivery.Request) *AfterProof {
	e := &AfterProof{What: "the claim " + c.name, Want: c.describe(r), cause: cause}
	digest := false
	for _, p := range c.equals {
		e.Body, e.URL = e.Body || p.kind == wholeBody, e.URL || p.kind == wholeURL
		digest = digest || p.digest != nil || p.kind == wholeBody
	}
	if !digest && got != "" {
		e.Got = bareText(got)
	}
	return e
}

// describe says, for people, what the claim has to be.
func (c claim) describe(r *delivery.Request) string {
	var parts []string
	for _, p := range c.equals {
		text := map[demandKind]string{wholeBody: "the body", wholeURL: "the URL " + BareURL(r.URL), demandMethod: "the method " + r.Method}[p.kind]
		switch p.kind {
		case demandText:
			text = strconv.Quote(p.text)
		case demandPlace:
			text = "the value of " + p.at.String()
		case unset:
			text = "the setting " + p.text + ", which has no value"
		}
		if p.digest != nil {
			text = "the SHA-256 of " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " and behind it ")
}
