package signature

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// Reading is a secret that was read in another way than the scheme says.
type Reading struct {
	Key *Key
	// How says how, for example "as hex". Nothing of the secret is in it.
	How string
}

// Readings returns the keys that a secret would be if its form were another: hex, base64 or raw, with a prefix cut off, without the
// white space around it, or with a line end. It is for finding out why nothing matches, never for verifying. Public keys have none.
func (s *Scheme) Readings(secret string) []Reading {
	if s.algorithm.family == publicKeys {
		return nil
	}
	var readings []Reading
	own, _ := s.key.bytes(secret)
	seen := []string{string(own)}
	add := func(data []byte, how string) {
		if len(data) == 0 || slices.Contains(seen, string(data)) {
			return
		}
		seen = append(seen, string(data))
		if key, err := s.keyOf(data); err == nil {
			readings = append(readings, Reading{key, how})
		}
	}
	for _, text := range s.trimmings(secret) {
		add([]byte(text.text), text.how+"as it is")
		for _, name := range []string{"base64", "base64url", "hex"} {
			decoder, err := newEncoding(name, false)
			if err != nil {
				continue
			}
			if data, _, ok := decoder.decode(nil, nil, text.text); ok {
				add(data, text.how+"as "+name)
			}
		}
		add([]byte(text.text+"\n"), text.how+"with a line end that belongs to it")
	}
	return readings
}

// trimming is a part of a secret.
type trimming struct{ text, how string }

func (s *Scheme) trimmings(secret string) []trimming {
	list := []trimming{{secret, ""}}
	if bare := strings.TrimSpace(secret); bare != secret {
		list = append(list, trimming{bare, "without the white space around it, "})
		secret = bare
	}
	for _, prefix := range s.key.prefixes {
		if rest, ok := strings.CutPrefix(secret, prefix); ok {
			return append(list, trimming{rest, fmt.Sprintf("without its %s, ", prefix)})
		}
	}
	// Which it is isn't said: for all that is known here it may be a part of the secret.
	if _, rest, ok := strings.Cut(secret, "_"); ok {
		list = append(list, trimming{rest, "without what stands before its first underscore, "})
	}
	return list
}

// Places returns where signatures of the scheme are. Of code, nothing is known of it but the headers that are its credentials.
func (s *Scheme) Places() []Place {
	if s.every != nil {
		return []Place{{kind: inJSON, name: s.every.name}}
	}
	if s.algorithm.family == codes {
		var places []Place
		for _, name := range s.method.Traits().Credentials {
			places = append(places, header(name))
		}
		return places
	}
	places := make([]Place, len(s.places))
	for i, p := range s.places {
		places[i] = p.at
	}
	return places
}

// Carried returns the first place of a request that holds something where the scheme has signatures, whatever it is.
func (s *Scheme) Carried(r *delivery.Request) (Place, bool) {
	if s.every != nil {
		if list, ok := s.every.elements(r.Document); ok {
			for _, element := range list.Array() {
				if _, ok := s.every.token(element); ok {
					return s.Places()[0], true
				}
			}
		}
		return Place{}, false
	}
	for _, p := range s.Places() {
		if p.holds(r, r.Document) {
			return p, true
		}
	}
	return Place{}, false
}

// Marks reports whether a header's value may be a signature of the scheme by what it begins with.
func (s *Scheme) Marks(name, value string) bool {
	if s.algorithm.family == codes {
		return slices.ContainsFunc(s.Places(), func(p Place) bool { return p.Header() == name })
	}
	return slices.ContainsFunc(s.places, func(p signaturePlace) bool { return p.at.Header() == name && strings.HasPrefix(value, p.prefix) })
}

// Want says, for people, where a signature is expected and in which form.
func (s *Scheme) Want() string { return s.want }
