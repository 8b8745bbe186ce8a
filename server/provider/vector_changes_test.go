package provider

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

// provenHeaders are the headers of which no bit may change: the signature, the timestamp and the id that is signed.
func provenHeaders(spec *providerv1.Scheme, headers map[string]string) map[string]string {
	var names []string
	for _, place := range spec.GetSignature() {
		names = append(names, place.GetHeader())
	}
	for _, place := range spec.GetTimestamp().GetAt() {
		names = append(names, place.GetHeader())
	}
	for _, place := range spec.GetId() {
		names = append(names, place.GetHeader())
	}
	proven := map[string]string{}
	for name, value := range headers {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			proven[name] = value
		}
	}
	return proven
}

// onlyMatching takes a header's value apart: each result has one of its signatures, one that matches, and the timestamp, and
// nothing that doesn't count.
func onlyMatching(spec *providerv1.Scheme, value string, verifies func(string) bool) []string {
	list := spec.GetList()
	if list == nil || !strings.Contains(value, list.GetAssign()) {
		return []string{value}
	}
	var stamps, signatures, values []string
	for item := range strings.SplitSeq(value, list.GetSeparator()) {
		key, _, _ := strings.Cut(item, list.GetAssign())
		if slices.Contains(list.GetTake(), key) {
			signatures = append(signatures, item)
		}
		for _, at := range spec.GetTimestamp().GetAt() {
			if at.GetItem() == key {
				stamps = append(stamps, item)
			}
		}
	}
	for _, item := range signatures {
		single := strings.Join(append(slices.Clone(stamps), item), list.GetSeparator())
		if verifies(single) {
			values = append(values, single)
		}
	}
	return values
}

// eachFlip calls f with every change of one bit.
func eachFlip(text string, f func(at int, changed string)) {
	for at := range len(text) {
		for bit := range 8 {
			changed := []byte(text)
			changed[at] ^= 1 << bit
			f(at, string(changed))
		}
	}
}

func with(headers map[string]string, name, value string) map[string]string {
	changed := maps.Clone(headers)
	changed[name] = value
	return changed
}

// sameHex is for digits whose case doesn't matter.
func sameHex(spec *providerv1.Scheme, a, b byte) bool {
	return spec.GetEncoding() == "hex" && a^b == 0x20 && strings.ContainsRune("abcdefABCDEF", rune(a))
}

// sameKey is for the last bits of a secret in base64, which are no part of the key, and for the case of hex digits.
func sameKey(spec *providerv1.Scheme, a, b string) bool {
	if spec.GetKey().GetEncoding() == "hex" {
		return strings.EqualFold(a, b)
	}
	if spec.GetKey().GetEncoding() != "base64" {
		return false
	}
	var keys [2][]byte
	for n, text := range []string{a, b} {
		for _, prefix := range spec.GetKey().GetPrefixes() {
			text = strings.TrimPrefix(text, prefix)
		}
		var err error
		if keys[n], err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err != nil {
			return false
		}
	}
	return bytes.Equal(keys[0], keys[1])
}
