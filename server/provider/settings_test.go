package provider

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// acme is a provider with settings of every kind.
const acme = `key: acme
name: Acme
docs_url: https://example.com
schemes:
  - name: signature
    algorithm: hmac-sha256
    signature: [{header: "{setting:header}", prefix: "{setting:version}="}]
    encoding: hex
    content_parts: [{text: "{setting:account}:", optional: false}, {text: "{header:{setting:extra}}.", optional: true}, {text: "{body}"}]
type:
  - {when: [{json: kind, matches: "{setting:account}.*"}], parts: [{literal: "of-{setting:account}"}]}
  - {when: [{header: X-Verify, equals: "{setting:verify}"}], parts: [{literal: verified}]}
  - parts: [{json: "{setting:path}"}]
  - {when: [{json: extra, equals: "{setting:extra}"}], parts: [{literal: extra}]}
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: token, equals: "{setting:verify}"}], respond: {content_type: text/plain, body: "{query:challenge} of {setting:account}"}}
  - {method: OPTIONS, respond: {content_type: text/plain, body: "{setting:extra}"}}
settings:
  - {name: header, description: The header of the signature, default: X-Acme, pattern: "[A-Za-z-]+"}
  - {name: version, description: The version, default: v1}
  - {name: account, description: The account's id}
  - {name: path, description: Where the type is, default: event.type}
  - {name: extra, description: A header that is signed too, optional: true}
  - {name: verify, description: The token of the check, secret: true, optional: true}
retries: true
evidence: [made up]
`

// What a source's settings make of its pack.
func TestSettings(t *testing.T) {
	pack, err := Parse("acme.yaml", []byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	before := prototext.Format(pack.Spec())
	for _, tc := range []struct {
		name     string
		settings map[string]string
		header   http.Header
		body     string
		// typ is the event's type; empty: it is refused.
		typ string
	}{
		// printf %s 'a.7:{"event":{"type":"x"}}' | openssl dgst -sha256 -hmac 'a shared secret', and so on
		{"defaults", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"event":{"type":"x"}}`, "x"},
		{"another header and prefix", map[string]string{"account": "a.7", "header": "X-Other", "version": "v2"}, http.Header{"X-Other": {"v2=DEFAULT"}}, `{"event":{"type":"x"}}`, "x"},
		{"the header that was", map[string]string{"account": "a.7", "header": "X-Other"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"event":{"type":"x"}}`, ""},
		{"another account", map[string]string{"account": "a.8"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"event":{"type":"x"}}`, ""},
		{"another path", map[string]string{"account": "a.7", "path": "event.name"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"event":{"type":"x","name":"y"}}`, "y"},
		{"what is optional", map[string]string{"account": "a.7", "extra": "X-Extra"}, http.Header{"X-Acme": {"v1=EXTRA"}, "X-Extra": {"e"}}, `{"event":{"type":"x"}}`, "x"},
		{"what is optional and not there", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=EXTRA"}, "X-Extra": {"e"}}, `{"event":{"type":"x"}}`, ""},
		{"a value is no regular expression", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"kind":"a-7","event":{"type":"x"}}`, "x"},
		{"a value in a regular expression and a text", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"kind":"a.7+","event":{"type":"x"}}`, "of-a.7"},
		{"a secret", map[string]string{"account": "a.7", "verify": "hunter2{}"}, http.Header{"X-Acme": {"v1=DEFAULT"}, "X-Verify": {"hunter2{}"}}, `{"event":{"type":"x"}}`, "verified"},
		{"another secret", map[string]string{"account": "a.7", "verify": "hunter2"}, http.Header{"X-Acme": {"v1=DEFAULT"}, "X-Verify": {"hunter3"}}, `{"event":{"type":"x"}}`, "x"},
		{"no secret", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=DEFAULT"}, "X-Verify": {"{setting:verify}"}}, `{"event":{"type":"x"}}`, "x"},
		{"nothing equals what isn't there", map[string]string{"account": "a.7"}, http.Header{"X-Acme": {"v1=DEFAULT"}}, `{"extra":"\u0000"}`, "unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{"a shared secret"}, Settings: tc.settings})
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			for name, values := range tc.header {
				h[name] = []string{strings.NewReplacer("DEFAULT", hmacHex("a.7:"+tc.body), "EXTRA", hmacHex("a.7:e."+tc.body)).Replace(values[0])}
			}
			outcome, err := source.Receive(t.Context(), post(h, []byte(tc.body)))
			switch {
			case tc.typ == "" && !errors.Is(err, ErrSignatureMissing) && !errors.Is(err, ErrSignatureMismatch):
				t.Errorf("got %v, want it refused", err)
			case tc.typ != "" && (err != nil || outcome.Verified[0].Type != tc.typ):
				t.Errorf("got %v and %+v, want type %s", err, outcome.Verified, tc.typ)
			}
			if text := prototext.Format(source.cfg.Pack.Spec()); strings.Contains(text, "hunter2") {
				t.Errorf("a secret is in the description: %s", text)
			}
		})
	}
	if prototext.Format(pack.Spec()) != before {
		t.Error("the pack was changed")
	}
}

// A handshake that needs a setting which isn't there is refused, and never answered as if it didn't.
func TestHandshakeSettings(t *testing.T) {
	for _, tc := range []struct {
		settings     map[string]string
		method, body string
		query        string
		reason       string
	}{
		{map[string]string{"account": "7", "verify": "hunter2"}, http.MethodGet, "c of 7", "token=hunter2&challenge=c", ""},
		{map[string]string{"account": "7", "verify": "hunter2"}, http.MethodGet, "", "token=hunter3&challenge=c", "SIGNATURE_MISSING"},
		{map[string]string{"account": "7"}, http.MethodGet, "", "token=&challenge=c", "SIGNATURE_MISSING"},
		{map[string]string{"account": "7"}, http.MethodGet, "", "token=%7Bsetting:verify%7D&challenge=c", "SIGNATURE_MISSING"},
		{map[string]string{"account": "7", "extra": "X-Extra"}, http.MethodOptions, "X-Extra", "", ""},
		{map[string]string{"account": "7"}, http.MethodOptions, "", "", "HANDSHAKE_REFUSED"},
	} {
		source := newTestSource(t, acme, SourceConfig{Secrets: []string{"a shared secret"}, Settings: tc.settings})
		outcome, err := source.Receive(t.Context(), &delivery.Request{Method: tc.method, URL: &url.URL{RawQuery: tc.query}, Header: http.Header{}, ReceivedAt: now})
		switch {
		case tc.reason != "" && (err == nil || reasonOf(err) != tc.reason):
			t.Errorf("%s %s: got %v, want %s", tc.method, tc.query, err, tc.reason)
		case tc.reason == "" && (err != nil || outcome.Answer == nil || string(outcome.Answer.Body) != tc.body):
			t.Errorf("%s %s: got %v and %+v", tc.method, tc.query, err, outcome.Answer)
		}
	}
}

// What is wrong with a source's settings is said with the setting's name, and without a value.
func TestUnfitSettings(t *testing.T) {
	pack, err := Parse("acme.yaml", []byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		settings map[string]string
		want     string
	}{
		{nil, `source "s": settings.account: is wanted: The account's id`},
		{map[string]string{"account": ""}, `source "s": settings.account: is empty`},
		{map[string]string{"account": strings.Repeat("hunter2", 200)}, `source "s": settings.account: is longer than 1024 bytes`},
		{map[string]string{"account": "hunter2\n"}, `source "s": settings.account: want a text without control characters`},
		{map[string]string{"account": "hunter2\x00"}, `source "s": settings.account: want a text without control characters`},
		{map[string]string{"account": "{hunter2}"}, `source "s": settings.account: want a text without braces`},
		{map[string]string{"account": "1", "header": "hunter2 "}, `source "s": settings.header: want what matches [A-Za-z-]+`},
		{map[string]string{"account": "1", "verify": "hunter2\x1b"}, `source "s": settings.verify: want a text without control characters`},
		{map[string]string{"account": "1", "other": "hunter2"}, `source "s": settings.other: Acme has no such setting; there is header, version, account, path, extra and verify`},
		{map[string]string{"account": "1", "path": "hunter2..x"}, `source "s": settings: type[2].parts[0]: JSON path "hunter2..x" has an empty key`},
	} {
		source, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{"x"}, Settings: tc.settings})
		if source != nil || err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
		// A path is no secret, and without it nobody would find what is wrong with it.
		if strings.Contains(tc.want, "hunter2") != strings.Contains(tc.want, "JSON path") {
			t.Errorf("the error repeats a value: %s", tc.want)
		}
	}
}

// A pack whose settings don't fit its texts doesn't load.
func TestPackSettings(t *testing.T) {
	for _, tc := range []struct{ name, from, to, want string }{
		{"not declared", "{setting:version}=", "{setting:none}=", `7:54: schemes[0] "signature": signature[0].prefix: there is no setting "none"`},
		{"not used", "{setting:version}=", "v1=", `21:5: settings[1] "version": nothing uses version`},
		{"not closed", "{setting:version}=", "{setting:version", `7:54: schemes[0] "signature": signature[0].prefix: a setting is named like {setting:NAME}`},
		{"a secret in a text", "{literal: verified}", `{literal: "{setting:verify}"}`, `12:80: type[1].parts[0].literal: verify is secret, which is for ` + "`equals`" + ` of a selector's or handshake's condition and for what is computed`},
		{"a secret in a part of a text", `equals: "{setting:verify}"}], parts`, `equals: "x{setting:verify}"}], parts`, `12:40: type[1].when[0].equals: verify is secret, which is for ` + "`equals`" + ` of a selector's or handshake's condition and for what is computed`},
		{"a secret that chooses a scheme", "encoding: hex", `encoding: hex, when: [{header: X, equals: "{setting:verify}"}]`, `9:32: schemes[0] "signature": when[0].equals: verify is secret, which is for ` + "`equals`" + ` of a selector's or handshake's condition and for what is computed`},
		{"twice", "{name: version,", "{name: header,", "7:54: schemes[0] \"signature\": signature[0].prefix: there is no setting \"version\"\nacme.yaml:21:5: settings[1] \"header\": header is there twice"},
		{"a default that doesn't fit", "default: X-Acme,", "default: X_Acme,", `20:71: settings[0] "header": default: want what matches [A-Za-z-]+`},
		{"a pattern that is none", `pattern: "[A-Za-z-]+"`, `pattern: "("`, "20:88: settings[0] \"header\": pattern: error parsing regexp: missing closing ): `(`"},
		{"a secret with a default", "secret: true, optional: true", "secret: true, default: x", `25:5: settings[5] "verify": a secret has no default`},
		{"optional with a default", "default: v1", "default: v1, optional: true", `21:5: settings[1] "version": optional is for settings without a default`},
		{"the mark of what is absent", "{setting:version}=", `\0{setting:version}=`, `7:54: schemes[0] "signature": signature[0].prefix: U+0000 is no text`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from, to := tc.from, tc.to
			if strings.HasPrefix(to, "encoding: hex, ") {
				to = "encoding: hex\n    " + strings.TrimPrefix(to, "encoding: hex, ")
			}
			changed := strings.Replace(acme, from, to, 1)
			if changed == acme {
				t.Fatal("nothing was changed")
			}
			pack, err := Parse("acme.yaml", []byte(changed))
			if pack != nil || err == nil {
				t.Fatal("it was taken")
			}
			if diff := cmp.Diff("acme.yaml:"+tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What a description becomes, where a setting may stand: of a claim that needs an absent one nothing is left that a token could equal,
// and answers are not filled in at all.
func TestFill(t *testing.T) {
	spec := &providerv1.Pack{
		Name:     "{setting:a}",
		Schemes:  []*providerv1.Scheme{{Content: "{setting:a}.{setting:gone}", Jws: &providerv1.Jws{Claims: []*providerv1.Claim{{Name: "{setting:a}", Equals: "{setting:gone}"}}}}},
		Settings: []*providerv1.Setting{{Default: "{setting:a}"}},
		Handshakes: []*providerv1.Handshake{{
			Require: []*providerv1.Condition{{Matches: "{setting:a}"}},
			Respond: &providerv1.Response{Body: "{setting:a}", Values: []*providerv1.Computed{{Content: "{setting:secret}{setting:gone}"}}},
		}},
	}
	values := settings{plain: map[string]string{"a": "x.y", "gone": signature.Absent}}
	if err := values.fill(spec); err != nil {
		t.Fatal(err)
	}
	scheme, shake := spec.GetSchemes()[0], spec.GetHandshakes()[0]
	got := []string{
		spec.GetName(), scheme.GetContent(), scheme.GetJws().GetClaims()[0].GetName(), scheme.GetJws().GetClaims()[0].GetEquals(),
		spec.GetSettings()[0].GetDefault(), shake.GetRequire()[0].GetMatches(), shake.GetRespond().GetBody(), shake.GetRespond().GetValues()[0].GetContent(),
	}
	want := []string{"{setting:a}", "x.y.\x00", "x.y", "{setting:gone}", "{setting:a}", `x\.y`, "{setting:a}", "{setting:secret}{setting:gone}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	spec.Schemes[0].KeySource = &providerv1.KeySource{Url: "https://{setting:gone}/"}
	if err := values.fill(spec); err == nil || err.Error() != "schemes[0].key_source.url: the setting gone is wanted here" {
		t.Errorf("got %v", err)
	}
}
