package signature_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// fuzzedSchemes are one of each grammar. Whatever is in the headers, without the secret nothing verifies.
var fuzzedSchemes = []string{
	`{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: Sig, prefix: "sha256="}]}`,
	`{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}], list: {separator: ",", assign: "=", take: [v1]}, timestamp: {at: [{item: t}], unit: s, tolerance: 300s}}`,
	`{algorithm: hmac-sha1, encoding: base64, content: "{id}.{ts}.{body}", signature: [{header: Sig}], id: [{header: Id}], list: {separator: " ", assign: ",", take: [v1]}, timestamp: {at: [{header: Ts}], unit: rfc3339}}`,
	`{algorithm: hmac-sha512, encoding: base64url, content: "{ts}{body}", signature: [{header: Sig}], list: {separator: ",", group: " ", skip: 1}, timestamp: {at: [{item: "0"}], unit: ms}}`,
	`{algorithm: hmac-sha256, encoding: hex, content: "{url}{form_sorted}{query:q}", signature: [{form: sig}, {query: sig}]}`,
	`{algorithm: hmac-sha256, encoding: hex, content: "{json:a.b}{header:Id}", signature: [{json: sig}], timestamp: {at: [{json: a.b}], unit: http-date}}`,
	`{algorithm: sha256, encoding: hex, content: "{body}{secret}", signature: [{header: Sig}]}`,
	`{algorithm: hmac-sha256, encoding: hex-or-base64, signature: [{header: Sig-, count: 3}, {header: Sig}], content_parts: [{text: "{header:Id}", optional: true}, {text: "{path}|{query:q|lower}|", optional: false}, {text: "{ts}"}], timestamp: {at: [{header: Ts}], unit: s-or-ms}}`,
	`{algorithm: hmac-sha256, encoding: hex, content: "{header:Digest}{sha256_base64:url}", url_forms: [plain, default-port, no-port, decoded], signature: [{query: sig, prefix: "a="}, {header: Sig}], body_digests: [{header: Digest, algorithm: sha1, encoding: hex, prefix: "sha1="}]}`,
	`{algorithm: token, signature: [{json: "list.*.sig"}]}`,
	`{algorithm: token, signature: [{json: "*"}]}`,
	`{algorithm: token, signature: [{header: Sig}]}`,
	`{algorithm: basic, signature: [{header: Sig}]}`,
}

// FuzzVerify: nothing that is not made with the secret verifies, every refusal is one of the four that are documented, and no
// refusal holds the secret.
func FuzzVerify(f *testing.F) {
	const secret = "8f14e45fceea167a:5a36dedd4bea2543"
	for n := range fuzzedSchemes {
		f.Add(uint8(n), "t=1700000000,v1="+stampedHex, "id", "1700000000", "q=1&sig="+helloHex, []byte(helloBody))
		f.Add(uint8(n), "sha256="+helloHex, "", "2023-11-14T22:13:20Z", "", []byte(`sig=`+helloHex+`&q=1`))
		f.Add(uint8(n), "v1,AAAA v1,"+helloBase64, "a", "x", "%", []byte(`{"a":{"b":"Tue, 14 Nov 2023 22:13:20 GMT"},"sig":"`+helloHex+`"}`))
		f.Add(uint8(n), "Basic dXNlcjpwYXNzIHdvcmQ=", "", "", "sig=&sig=", []byte{})
		f.Add(uint8(n), "1700000000000, ,"+helloBase64+" "+strings.Repeat("1,x ", 40), "", "", "", []byte("sig=%zz"))
	}
	var schemes []*signature.Scheme
	var active [][]*signature.Key
	for _, text := range fuzzedSchemes {
		scheme := compile(f, text)
		schemes, active = append(schemes, scheme), append(active, keys(f, scheme, secret))
	}
	f.Fuzz(func(t *testing.T, n uint8, sig, id, stamp, query string, body []byte) {
		i := int(n) % len(schemes)
		c := verifyCase{query: query, body: string(body), header: http.Header{"Sig": strings.Split(sig, "\n"), "Id": {id}, "Ts": {stamp}}}
		for _, tolerance := range []time.Duration{0, 5 * time.Minute} {
			_, err := schemes[i].Verify(c.request(), active[i], tolerance)
			if err == nil {
				t.Fatalf("%s took a forged delivery: %q", fuzzedSchemes[i], sig)
			}
			if !errors.Is(err, signature.ErrMissing) && !errors.Is(err, signature.ErrMalformed) && !errors.Is(err, signature.ErrMismatch) {
				t.Fatalf("undocumented error %v", err)
			}
			if strings.Contains(err.Error(), secret) || !utf8.ValidString(err.Error()) {
				t.Fatalf("the error isn't fit for a sender: %q", err)
			}
		}
	})
}

// FuzzSignThenVerify: what Sign makes, Verify takes, with the id and the time that were signed; and a flipped bit of the body is
// refused by every scheme that covers it.
func FuzzSignThenVerify(f *testing.F) {
	for n := range fuzzedSchemes {
		f.Add(uint8(n), "the secret", "msg_1", int64(1_700_000_000_123), []byte(`{"list":[{},{"sig":1}],"a":{"b":2}}`))
		f.Add(uint8(n), "the secret", "msg_1", int64(1_700_000_000_123), []byte(`[1,2]`))
		f.Add(uint8(n), "the secret", "msg_1", int64(1_700_000_000_123), []byte(helloBody))
		f.Add(uint8(n), "a:b", "x", int64(0), []byte{0})
	}
	f.Fuzz(func(t *testing.T, n uint8, secret, id string, millis int64, body []byte) {
		scheme := compile(t, fuzzedSchemes[int(n)%len(fuzzedSchemes)])
		key, err := scheme.Key(secret)
		at := time.UnixMilli(millis)
		if err != nil || at.Year() < 1970 || at.Year() > 9000 || len(secret) > 1000 || id == "" || len(body) == 0 {
			t.Skip("not something that a sender has")
		}
		r := &delivery.Request{Method: http.MethodPost, Header: http.Header{}, Body: body, Document: body, ReceivedAt: at}
		signed, err := scheme.Sign(r, key, id, at)
		if err != nil {
			if !errors.Is(err, signature.ErrCannotSign) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		if scheme.Algorithm() == "token" && (strings.ContainsAny(secret, "\r\n") || !utf8.ValidString(secret)) {
			t.Skip("no header holds it")
		}
		r = signed
		match, err := scheme.Verify(r, []*signature.Key{key}, time.Minute)
		if err != nil {
			t.Fatalf("%v %s: %v", signed.Header, signed.Body, err)
		}
		if _, stamped := scheme.Tolerance(); stamped && at.Sub(match.Time).Abs() >= time.Second {
			t.Fatalf("signed at %v, verified %v", at, match.Time)
		}
		if len(scheme.ID()) > 0 && match.ID != id {
			t.Fatalf("signed id %q, verified %q", id, match.ID)
		}
		if scheme.CoversBody() {
			r.Body = append([]byte{r.Body[0] ^ 1}, r.Body[1:]...)
			if _, err := scheme.Verify(r, []*signature.Key{key}, time.Minute); !errors.Is(err, signature.ErrMismatch) {
				t.Fatalf("a changed body: %v", err)
			}
		}
	})
}

// FuzzCompile: any scheme compiles or says why not, and what compiles refuses a request that has nothing of it.
func FuzzCompile(f *testing.F) {
	for _, text := range fuzzedSchemes {
		spec, err := parseScheme(text)
		if err != nil {
			f.Fatal(err)
		}
		seed, err := protojson.Marshal(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(seed))
	}
	f.Add(`{"name":"a","algorithm":"hmac-sha256","encoding":"hex","content":"{{{body}","signature":[{"json":"a.\\"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		spec := &providerv1.Scheme{}
		if err := protojson.Unmarshal([]byte(text), spec); err != nil {
			t.Skip("no scheme")
		}
		valid := protovalidate.Validate(spec) == nil
		scheme, err := signature.Compile(spec)
		if err != nil {
			if scheme != nil || !strings.HasPrefix(err.Error(), "scheme ") {
				t.Fatalf("got %v and %q", scheme, err)
			}
			return
		}
		if !valid {
			return // the catalogue never compiles it
		}
		key, err := scheme.Key("user:secret")
		if err != nil {
			if !errors.Is(err, signature.ErrKey) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		c := verifyCase{body: "{}"}
		if _, err := scheme.Verify(c.request(), []*signature.Key{key}, 0); !errors.Is(err, signature.ErrMissing) {
			t.Fatalf("a request with nothing in it: %v", err)
		}
	})
}

// FuzzTimestamp: no text is a time that protobuf can't hold, and what is one reads the same when it is written again.
func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"1700000000", "253402300800", "1700000000123", "946684799999", "4102444800000", "9223372036854775807", "-1", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.5", "9999-12-31T23:59:59-23:59", "Tue, 14 Nov 2023 22:13:20 GMT", "Tuesday, 14-Nov-23 22:13:20 GMT"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"s", "ms", "s-or-ms", "rfc3339", "iso8601", "http-date"} {
			unit, err := signature.ParseUnit(name)
			if err != nil {
				t.Fatal(err)
			}
			at, ok := unit.Parse(text)
			if !ok {
				if !at.IsZero() {
					t.Fatalf("%s %q: no time, and %v", name, text, at)
				}
				continue
			}
			if at.Unix() < -62135596800 || at.Unix() > 253402300799 {
				t.Fatalf("%s %q: %v is out of range", name, text, at)
			}
			if again, ok := unit.Parse(unit.Format(at)); at.Unix() >= 0 && (!ok || !again.Equal(at)) {
				t.Fatalf("%s %q: %v, written and read again %v", name, text, at, again)
			}
		}
	})
}

// FuzzJSONPlace: a path means the key that it spells and nothing else.
func FuzzJSONPlace(f *testing.F) {
	for _, key := range []string{"type", "a.b", `a\b`, "*", "@this", "#", "a|b", "{x}", "!", "..", "~true", "é", "\u2028", `"`, "a:b", "0"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		// U+0000 stands for the value of an absent setting; a pack with one doesn't load.
		if key == "" || len(key) > 200 || !utf8.ValidString(key) || strings.Contains(key, signature.Absent) {
			t.Skip("no key of a pack")
		}
		place, err := signature.PlaceNamed("json", strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace(key))
		if err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(map[string]string{key: "yes"})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := place.Lookup(&delivery.Request{}, document); !ok || got != "yes" {
			t.Fatalf("%q of %s: got %q", key, document, got)
		}
		other, err := json.Marshal(map[string]any{key + "x": "no", "x" + key: []string{"no"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := place.Lookup(&delivery.Request{}, other); ok {
			t.Fatalf("%q of %s: got %q", key, other, got)
		}
	})
}

// FuzzTemplate: a template splits into segments that make it up again, or says what is wrong with it.
func FuzzTemplate(f *testing.F) {
	for _, template := range []string{"v0:{ts}:{body}", "{{}}", "{{{id}}}", "{header:X-A:B|lower}", "{", "}", "{}", "a}}b", "{{{", "{a{b}"} {
		f.Add(template)
	}
	f.Fuzz(func(t *testing.T, template string) {
		segments, err := signature.ParseTemplate(template)
		if err != nil {
			if segments != nil || !strings.HasPrefix(err.Error(), "template ") {
				t.Fatalf("got %v and %v", segments, err)
			}
			return
		}
		again := ""
		for _, s := range segments {
			switch {
			case s.Name == "":
				again += strings.NewReplacer("{", "{{", "}", "}}").Replace(s.Text)
			case s.Args == "":
				again += "{" + s.Name + "}"
			default:
				again += "{" + s.Name + ":" + s.Args + "}"
			}
		}
		// A colon with nothing behind it is the only thing that is lost.
		if strings.ReplaceAll(again, ":}", "}") != strings.ReplaceAll(template, ":}", "}") {
			t.Fatalf("%q, written again %q", template, again)
		}
	})
}
