package provider

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// numbered are the places of signatures, those that are numbered each by itself.
func (f *flipper) numbered() []*providerv1.SignaturePlace {
	var list []*providerv1.SignaturePlace
	for _, place := range f.spec.GetSignature() {
		if place.GetCount() == 0 {
			list = append(list, place)
		}
		for n := range place.GetCount() {
			own := proto.CloneOf(place)
			own.Place = &providerv1.SignaturePlace_Header{Header: place.GetHeader() + strconv.Itoa(int(n)+1)}
			list = append(list, own)
		}
	}
	return list
}

// flipSignatures flips one bit in all signatures of a request; false where none has such a bit.
func (f *flipper) flipSignatures(r *delivery.Request, bit int) (some bool) {
	for _, place := range f.numbered() {
		rewrite(r, place, func(value string) string {
			next, flipped := f.flippedIn(value, place.GetPrefix(), bit)
			some = some || flipped
			return next
		})
	}
	return some
}

// flippedIn flips one bit in each signature of a value; false where they have no such bit.
func (f *flipper) flippedIn(value, prefix string, bit int) (string, bool) {
	rest, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return value, false
	}
	list := f.spec.GetList()
	if list == nil {
		next, flipped := f.flipped(rest, bit)
		return prefix + next, flipped
	}
	flipped := false
	groups := []string{rest}
	if list.GetGroup() != "" {
		groups = strings.Split(rest, list.GetGroup())
	}
	for g, group := range groups {
		items := strings.Split(group, list.GetSeparator())
		for i, item := range items {
			head, text := "", item
			if list.GetAssign() != "" {
				key, after, _ := strings.Cut(item, list.GetAssign())
				if !slices.Contains(list.GetTake(), strings.TrimSpace(key)) {
					continue
				}
				head, text = key+list.GetAssign(), after
			} else if i < int(list.GetSkip()) {
				continue
			}
			next, done := f.flipped(strings.TrimSpace(text), bit)
			items[i], flipped = head+next, flipped || done
		}
		groups[g] = strings.Join(items, list.GetSeparator())
	}
	return prefix + strings.Join(groups, list.GetGroup()), flipped
}

// flipped flips one bit of what a signature stands for.
func (f *flipper) flipped(text string, bit int) (string, bool) {
	head, decode, encode := "", hex.DecodeString, hex.EncodeToString
	std, url := base64.StdEncoding, base64.URLEncoding
	if !strings.HasSuffix(text, "=") {
		std, url = base64.RawStdEncoding, base64.RawURLEncoding
	}
	switch notation := f.spec.GetEncoding(); {
	case f.spec.GetAlgorithm() == "token":
		decode, encode = func(s string) ([]byte, error) { return []byte(s), nil }, func(b []byte) string { return string(b) }
	case f.spec.GetAlgorithm() == "basic":
		head, text, _ = strings.Cut(text, " ")
		head += " "
		decode, encode = base64.StdEncoding.DecodeString, base64.StdEncoding.EncodeToString
	case f.spec.GetAlgorithm() == "jws":
		at := strings.LastIndex(text, ".") + 1
		head, text = text[:at], text[at:]
		decode, encode = base64.RawURLEncoding.DecodeString, base64.RawURLEncoding.EncodeToString
	case notation == "base64":
		decode, encode = std.DecodeString, std.EncodeToString
	case notation == "base64url":
		decode, encode = url.DecodeString, url.EncodeToString
	case notation == "hex-or-base64":
		if _, err := hex.DecodeString(text); err != nil {
			decode, encode = std.DecodeString, std.EncodeToString
		}
	}
	data, err := decode(text)
	if err != nil || bit >= 8*len(data) {
		return head + text, false
	}
	data[bit/8] ^= 1 << (bit % 8)
	return head + encode(data), true
}
