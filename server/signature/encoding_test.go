package signature_test

import (
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/signature"
)

// How a signature may be written, and how not. Whatever is taken decodes to the same bytes, so only spellings of them differ.
func TestEncodings(t *testing.T) {
	const (
		inHex       = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: X-Sig}]}`
		inBase64    = `{algorithm: hmac-sha256, encoding: base64, content: "{body}", signature: [{header: X-Sig}]}`
		inBase64URL = `{algorithm: hmac-sha256, encoding: base64url, content: "{body}", signature: [{header: X-Sig}]}`
		helloURL    = "jcBjBj2skQxUR3evo-IaCntqS9xCQrsU5BvhE_X1jPA"
	)
	for _, c := range []verifyCase{
		{name: "hex", scheme: inHex, header: header("X-Sig", helloHex)},
		{name: "hex in upper case", scheme: inHex, header: header("X-Sig", strings.ToUpper(helloHex))},
		{name: "hex in both", scheme: inHex, header: header("X-Sig", strings.ToUpper(helloHex[:9])+helloHex[9:])},
		{name: "hex with 0x", scheme: inHex, header: header("X-Sig", "0x"+helloHex), err: signature.ErrMalformed},
		{name: "hex with a space in front", scheme: inHex, header: header("X-Sig", " "+helloHex), err: signature.ErrMalformed},
		{name: "hex with a newline behind", scheme: inHex, header: header("X-Sig", helloHex+"\n"), err: signature.ErrMalformed},
		{name: "hex with a NUL behind", scheme: inHex, header: header("X-Sig", helloHex+"\x00"), err: signature.ErrMalformed},
		{name: "hex, an odd digit", scheme: inHex, header: header("X-Sig", helloHex[1:]), err: signature.ErrMalformed},
		{name: "hex, a byte less", scheme: inHex, header: header("X-Sig", helloHex[2:]), err: signature.ErrMalformed},
		{name: "hex, a byte more", scheme: inHex, header: header("X-Sig", helloHex+"00"), err: signature.ErrMalformed},
		{name: "hex of nothing", scheme: inHex, header: header("X-Sig", ""), err: signature.ErrMissing},
		{name: "zeros", scheme: inHex, header: header("X-Sig", strings.Repeat("0", 64)), err: signature.ErrMismatch},
		{name: "base64 where hex is wanted", scheme: inHex, header: header("X-Sig", helloBase64), err: signature.ErrMalformed},
		{name: "full-width digits", scheme: inHex, header: header("X-Sig", strings.Repeat("０", 64)), err: signature.ErrMalformed},
		{name: "huge", scheme: inHex, header: header("X-Sig", strings.Repeat(helloHex, 1000)), err: signature.ErrMalformed},

		{name: "base64", scheme: inBase64, header: header("X-Sig", helloBase64)},
		{name: "base64 without padding", scheme: inBase64, header: header("X-Sig", strings.TrimRight(helloBase64, "="))},
		{name: "base64 with too much padding", scheme: inBase64, header: header("X-Sig", helloBase64+"="), err: signature.ErrMalformed},
		{name: "base64 with padding twice", scheme: inBase64, header: header("X-Sig", helloBase64+"===="), err: signature.ErrMalformed},
		{name: "base64 with other last bits", scheme: inBase64, header: header("X-Sig", strings.Replace(helloBase64, "jPA=", "jPB=", 1)), err: signature.ErrMalformed},
		{name: "unpadded base64 with other last bits", scheme: inBase64, header: header("X-Sig", strings.Replace(helloBase64, "jPA=", "jPB", 1)), err: signature.ErrMalformed},
		{name: "base64 with a newline inside", scheme: inBase64, header: header("X-Sig", helloBase64[:20]+"\n"+helloBase64[20:]), err: signature.ErrMalformed},
		{name: "base64 with a carriage return behind", scheme: inBase64, header: header("X-Sig", helloBase64+"\r"), err: signature.ErrMalformed},
		{name: "base64 in the alphabet for URLs", scheme: inBase64, header: header("X-Sig", helloURL), err: signature.ErrMalformed},
		{name: "base64 in another case", scheme: inBase64, header: header("X-Sig", strings.ToLower(helloBase64[:42])+helloBase64[42:]), err: signature.ErrMismatch},
		{name: "base64 of the hex", scheme: inBase64, header: header("X-Sig", helloHex), err: signature.ErrMalformed},

		{name: "base64url", scheme: inBase64URL, header: header("X-Sig", helloURL)},
		{name: "base64url with padding", scheme: inBase64URL, header: header("X-Sig", helloURL+"=")},
		{name: "base64url in the usual alphabet", scheme: inBase64URL, header: header("X-Sig", helloBase64), err: signature.ErrMalformed},
	} {
		t.Run(c.name, c.run)
	}
}

// Where a signature is looked for: several names, a header several times, prefixes, query, form, JSON. Any match is enough.
func TestPlaces(t *testing.T) {
	const (
		prefixed = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: X-Sig-256, prefix: "sha256="}]}`
		aliases  = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: X-Sig-1}, {header: X-Sig-2, prefix: "v="}]}`
		inQuery  = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{query: sig}]}`
		// What is inside of the body can't cover the body.
		inJSON = `{algorithm: hmac-sha256, encoding: hex, content: "{json:data.name}|{json:data.amount}|{json:data.paid}", signature: [{json: proof.sig}]}`
		inForm = `{algorithm: hmac-sha256, encoding: hex, content: "{form:f}|{header:X-Raw}", signature: [{form: sig}]}`
		// 'world|12.50|true', 'x y+z|f=x+y%2Bz&g=1'
		jsonHex = "775837da6e2307ea5ecec271c2500de6d53030be93ee504d829b4f98255731e2"
		formHex = "5523d8de3875e2d757ea0ced727aa15792f75df3133f8430b71220fc8963721d"
	)
	wrong := strings.Repeat("0", 64)
	for _, c := range []verifyCase{
		{name: "prefix", scheme: prefixed, header: header("X-Sig-256", "sha256="+helloHex)},
		{name: "header in lower case", scheme: prefixed, header: header("x-sig-256", "sha256="+helloHex)},
		{name: "no prefix", scheme: prefixed, header: header("X-Sig-256", helloHex), err: signature.ErrMalformed},
		{name: "prefix in upper case", scheme: prefixed, header: header("X-Sig-256", "SHA256="+helloHex), err: signature.ErrMalformed},
		{name: "prefix twice", scheme: prefixed, header: header("X-Sig-256", "sha256=sha256="+helloHex), err: signature.ErrMalformed},
		{name: "nothing but the prefix", scheme: prefixed, header: header("X-Sig-256", "sha256="), err: signature.ErrMalformed},
		{name: "another header", scheme: prefixed, header: header("X-Sig", "sha256="+helloHex), err: signature.ErrMissing},
		{name: "the header twice, the second is right", scheme: prefixed, header: header("X-Sig-256", "sha256="+wrong, "sha256="+helloHex)},
		{name: "the header twice, the first can't be read", scheme: prefixed, header: header("X-Sig-256", "what", "sha256="+helloHex)},
		{name: "the header twice, none is right", scheme: prefixed, header: header("X-Sig-256", "sha256="+wrong, "sha256="+wrong), err: signature.ErrMismatch},
		{name: "ten values", scheme: prefixed, header: header("X-Sig-256", append(repeat("sha256="+wrong, 9), "sha256="+helloHex)...)},
		{name: "more values than anybody sends", scheme: prefixed, header: header("X-Sig-256", append(repeat("sha256="+wrong, 10), "sha256="+helloHex)...), err: signature.ErrMalformed},

		{name: "the first name", scheme: aliases, header: header("X-Sig-1", helloHex)},
		{name: "the second name", scheme: aliases, header: header("X-Sig-2", "v="+helloHex)},
		{name: "both, one is right", scheme: aliases, header: map[string][]string{"X-Sig-1": {wrong}, "X-Sig-2": {"v=" + helloHex}}},
		{name: "the prefix is that of the other name", scheme: aliases, header: header("X-Sig-1", "v="+helloHex), err: signature.ErrMalformed},

		{name: "query", scheme: inQuery, query: "a=1&sig=" + helloHex},
		{name: "query with escapes", scheme: inQuery, query: "%73ig=%38" + helloHex[1:]},
		{name: "query with a broken escape", scheme: inQuery, query: "sig=%3" + helloHex[1:], err: signature.ErrMalformed},
		{name: "query, twice", scheme: inQuery, query: "sig=" + helloHex + "&a=1&sig=" + helloHex, err: signature.ErrMalformed, says: "query parameter sig is there more than once"},
		{name: "no query", scheme: inQuery, header: header("Sig", helloHex), err: signature.ErrMissing},

		{name: "JSON", scheme: inJSON, body: `{"data":{"name":"world","amount":12.50,"paid":true},"proof":{"sig":"` + jsonHex + `"}}`},
		{name: "JSON, another text of the same number", scheme: inJSON, body: `{"data":{"name":"world","amount":12.5,"paid":true},"proof":{"sig":"` + jsonHex + `"}}`, err: signature.ErrMismatch},
		{name: "JSON, a part is missing", scheme: inJSON, body: `{"data":{"name":"world","paid":true},"proof":{"sig":"` + jsonHex + `"}}`, err: signature.ErrMissing},
		{name: "JSON, a part is an object", scheme: inJSON, body: `{"data":{"name":{},"amount":12.50,"paid":true},"proof":{"sig":"` + jsonHex + `"}}`, err: signature.ErrMissing},
		{name: "JSON, the signature is a number", scheme: inJSON, body: `{"data":{"name":"world","amount":12.50,"paid":true},"proof":{"sig":7}}`, err: signature.ErrMalformed},
		{name: "JSON, the signature twice", scheme: inJSON, body: `{"data":{"name":"world","amount":12.50,"paid":true},"proof":{"sig":"` + jsonHex + `","sig":"` + jsonHex + `"}}`, err: signature.ErrMalformed, says: "JSON field proof.sig is there more than once"},
		{name: "JSON, what the signature is in twice", scheme: inJSON, body: `{"data":{"name":"world","amount":12.50,"paid":true},"proof":{"sig":"` + jsonHex + `"},"proof":{}}`, err: signature.ErrMalformed, says: "JSON field proof.sig is there more than once"},
		{name: "no JSON", scheme: inJSON, body: `payload`, err: signature.ErrMissing},

		{name: "form", scheme: inForm, body: "f=x+y%2Bz&sig=" + formHex, header: header("X-Raw", "f=x+y%2Bz&g=1")},
		{name: "form, the field twice", scheme: inForm, body: "f=x+y%2Bz&f=a&sig=" + formHex, header: header("X-Raw", "f=x+y%2Bz&g=1"), err: signature.ErrMalformed},
		{name: "form, the header twice", scheme: inForm, body: "f=x+y%2Bz&sig=" + formHex, header: header("X-Raw", "f=x+y%2Bz&g=1", ""), err: signature.ErrMalformed},
		{name: "form, the signature twice, the first is right", scheme: inForm, body: "f=x+y%2Bz&sig=" + formHex + "&sig=" + wrong, header: header("X-Raw", "f=x+y%2Bz&g=1"), err: signature.ErrMalformed, says: "form field sig is there more than once"},
		{name: "form, the signature twice, the last is right", scheme: inForm, body: "sig=" + wrong + "&f=x+y%2Bz&%73ig=" + formHex, header: header("X-Raw", "f=x+y%2Bz&g=1"), err: signature.ErrMalformed, says: "form field sig is there more than once"},
		{name: "form, the signature twice, once empty", scheme: inForm, body: "sig=&f=x+y%2Bz&sig=" + formHex, header: header("X-Raw", "f=x+y%2Bz&g=1"), err: signature.ErrMalformed, says: "form field sig is there more than once"},
		{name: "form, the field is empty", scheme: inForm, body: "f=&sig=" + formHex, header: header("X-Raw", "x"), err: signature.ErrMissing},
	} {
		t.Run(c.name, c.run)
	}
}

func repeat(text string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}
