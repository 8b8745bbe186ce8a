package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sound = `key: p
name: P
docs_url: https://example.com
schemes:
  - name: signature
    algorithm: hmac-sha256
    signature: [{header: X-Signature}]
    encoding: hex
    content: "{ts}.{body}"
    timestamp: {at: [{header: X-Time}], unit: s, tolerance: 300s}
  - {name: token, algorithm: token, signature: [{header: X-Token}]}
id: [{parts: [{json: id}]}]
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: c}], require: [{query: c, matches: "[0-9]+"}], respond: {content_type: text/plain, body: "{query:c}"}}
settings:
  - {name: kind, description: The kind, pattern: "[a-z]+", default: x}
type: [{parts: [{literal: "{setting:kind}"}]}]
retries: true
evidence: [made up]
`

// TestProblemsOfPacks: whatever is wrong with a pack is said with file, line, column and field, and all of it at once.
func TestProblemsOfPacks(t *testing.T) {
	if _, err := Parse("p.yaml", []byte(sound)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, from, to, want string }{
		{"a template that names nothing", "{ts}.{body}", "{ts}.{boddy}", `p.yaml:9:14: schemes[0] "signature": content: unknown {boddy}`},
		{"a template that isn't closed", "{ts}.{body}", "{ts}.{body", `p.yaml:9:14: schemes[0] "signature": content: template "{ts}.{body": { at 5 is not closed`},
		{"no encoding", "    encoding: hex\n", "", `p.yaml:5:5: schemes[0] "signature": encoding: unknown encoding ""`},
		{"a timestamp that isn't signed", "{ts}.{body}", "{body}", `p.yaml:10:16: schemes[0] "signature": timestamp: it is not signed, so it proves nothing`},
		{"no timestamp", "    timestamp: {at: [{header: X-Time}], unit: s, tolerance: 300s}\n", "", `p.yaml:9:14: schemes[0] "signature": content: {ts} needs a timestamp`},
		{"a JSON path", "json: id}", "json: a..b}", `p.yaml:12:15: id[0].parts[0]: JSON path "a..b" has an empty key`},
		{"a condition", "when: [{query: c}]", `when: [{query: c, matches: "("}]`, "p.yaml:15:46: handshakes[0].when[0].matches: error parsing regexp: missing closing ): `(`"},
		{"the pattern of a setting", `pattern: "[a-z]+"`, `pattern: "[a-z"`, "p.yaml:17:50: settings[0] \"kind\": pattern: error parsing regexp: missing closing ]: `[a-z`"},
		{"a default that doesn't fit", "default: x}", "default: X}", `p.yaml:17:69: settings[0] "kind": default: want what matches [a-z]+`},
		{"a handshake that would sign", `respond: {content_type: text/plain, body: "{query:c}"}`, `respond: {content_type: text/plain, body: "{value:v}", values: [{name: v, algorithm: hmac-sha256, encoding: hex, content: "{query:c}"}]}`, ""},
		{"a handshake that would sign anything", `require: [{query: c, matches: "[0-9]+"}], respond: {content_type: text/plain, body: "{query:c}"}`, `respond: {content_type: text/plain, body: "{value:v}", values: [{name: v, algorithm: hmac-sha256, encoding: hex, content: "{query:c}"}]}`, "p.yaml:15:5: handshakes[0].require: an unsigned handshake that computes with the key says by `matches` what of, so that no delivery is like it"},
		{"a place of an answer", "{query:c}", "{value:v}", "p.yaml:15:123: handshakes[0].respond.body: unknown {value:v}"},
		{"a published key of what needs a secret one", "    encoding: hex\n", "    encoding: hex\n    key_source: {url: \"https://example.com/keys\", format: pem}\n", `p.yaml:9:17: schemes[0] "signature": key_source: a published key is public, and hmac-sha256 needs a secret one`},
		{"a header that is a credential", "retries: true", "stored_headers: [A, X-Token]\nretries: true", `p.yaml:19:21: stored_headers[1]: X-Token carries a credential, which is never stored`},
		{"a method that isn't there", "{name: token, algorithm: token, signature: [{header: X-Token}]}", "{name: token, algorithm: code, code: zzz}", `p.yaml:11:42: schemes[1] "token": code: there is no method "zzz"`},
		{"a parameter that isn't there", "{name: token, algorithm: token, signature: [{header: X-Token}]}", "{name: token, algorithm: code, code: paypal, parameters: [{name: webhook_id, value: a}, {name: x, value: y}]}", `p.yaml:11:93: schemes[1] "token": parameters[1]: paypal takes no "x"`},
		{"a key twice", "retries: true\n", "retries: true\nretries: false\n", "p.yaml:20:1: retries: is given twice, first on line 19"},
		{"a list twice", "retries: true\n", "retries: true\nschemes: []\n", "p.yaml:20:1: schemes: is given twice, first on line 4"},
		{"a key twice further in", "encoding: hex\n", "encoding: hex\n    encoding: base64\n", `p.yaml:9:5: schemes[0] "signature": encoding: is given twice, first on line 8`},
		{"two places in one", "{header: X-Signature}", "{header: X-Signature, query: s}", `p.yaml:7:39: schemes[0] "signature": signature[0].query: want only one of header and query`},
		{"a key that is none", "encoding: hex", "enconding: hex", `p.yaml:8:5: schemes[0] "signature": enconding: there is no such key; did you mean "encoding"?`},
		{"wrong kinds", "retries: true", "retries: yes\nmax_body: 1MiB\ndeadline: soon\nanswers: [x]", `p.yaml:19:10: retries: want true or false, got "yes"
p.yaml:20:11: max_body: want a whole number, got "1MiB"
p.yaml:21:11: deadline: want a duration, like 30s or 1h30m, got "soon"
p.yaml:22:10: answers: want a mapping with the keys success, duplicate, failure; got a list`},
		{"no value", "retries: true", "retries:", "p.yaml:19:9: retries: has no value; give one or leave the key out"},
		{"no mapping", sound, "- a\n", "p.yaml:1:1: want a mapping with the keys key, name, docs_url, schemes, id, type, occurred_at, ordering_key, bodies, stored_headers, handshakes, answers, max_body, deadline, retries, evidence, unverified, guide, settings, batch, proof, id_stable, bodies_repeat, unverified_facts, confirmed, untaken, public_secrets; got a list"},
		{"no YAML", "retries: true", "retries: a: b", "p.yaml:19:1: is no YAML: mapping values are not allowed in this context"},
		{"lines that end otherwise", "retries: true", "retries:\u2028 true", "p.yaml:19:9: lines end with a line feed, and with nothing else"},
		{"under another name", "key: p", "key: q", `p.yaml:1:6: key: the file of "q" is called q.yaml`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			changed := strings.Replace(sound, tc.from, tc.to, 1)
			if changed == sound {
				t.Fatal("nothing was changed")
			}
			checkProblems(t, changed, tc.want)
		})
	}
}

// TestProblemsOfPacksTogether: problems of different elements, of shape and of sense, are all found in one go; what only follows from one
// isn't reported.
func TestProblemsOfPacksTogether(t *testing.T) {
	checkProblems(t, `key: p
name: ""
docs_url: https://example.com
schemes:
  - name: signature
    algorithm: hmac-sha256
    signature: [{header: X-Signature}]
    encoding: hex
    contents: "{body}"
  - name: second
    algorithm: hmac-sha256
    signature: [{header: X-Signature, prefix: "{setting:nme}"}, {json: "a..b"}]
    encoding: hex
    content: "{boddy}"
    timestamp: {at: [{item: t}], unit: s}
    when: [{header: A, matches: "("}, {json: "b..c"}]
id: [{parts: [{json: "c..d"}, {json: id}, {json: "d..e"}]}]
type: [{when: [{header: B, matches: "["}], parts: [{header: type}]}]
occurred_at: [{json: "e..f", unit: s}]
batch: {events: "f..g"}
stored_headers: [Cookie, Accept, Authorization]
answers: {success: {body: "{value:v}", content_type: text/plain}, duplicate: {body: "{value:w}", content_type: text/plain}}
bodies: [{media_type: application/json}]
handshakes:
  - {method: GET, when: [{query: c, matches: "("}], respond: {content_type: text/plain, body: "{x}", headers: [{name: A, value: "{y}"}]}}
  - {method: PUT, respond: {}}
settings:
  - {name: name, description: Unused}
  - {name: other, description: Unfit, pattern: "("}
retries: true
evidence: [made up]
`, "p.yaml:2:7: name: must be at least 1 characters, got \"\"\n"+
		"p.yaml:9:5: schemes[0] \"signature\": contents: there is no such key; did you mean \"content\"?\n"+
		"p.yaml:12:16: schemes[1] \"second\": signature: a place is wanted: JSON path \"a..b\" has an empty key\n"+
		"p.yaml:12:47: schemes[1] \"second\": signature[0].prefix: there is no setting \"nme\"\n"+
		"p.yaml:15:16: schemes[1] \"second\": timestamp: an item is in a list, and only one\n"+
		"p.yaml:16:33: schemes[1] \"second\": when[0].matches: error parsing regexp: missing closing ): `(`\n"+
		"p.yaml:16:39: schemes[1] \"second\": when[1]: JSON path \"b..c\" has an empty key\n"+
		"p.yaml:17:15: id[0].parts[0]: JSON path \"c..d\" has an empty key\n"+
		"p.yaml:17:43: id[0].parts[2]: JSON path \"d..e\" has an empty key\n"+
		"p.yaml:18:37: type[0].when[0].matches: error parsing regexp: missing closing ]: `[`\n"+
		"p.yaml:19:15: occurred_at[0]: JSON path \"e..f\" has an empty key\n"+
		"p.yaml:20:17: batch.events: JSON path \"f..g\" has an empty key\n"+
		"p.yaml:21:18: stored_headers[0]: Cookie carries a credential, which is never stored\n"+
		"p.yaml:21:34: stored_headers[2]: Authorization carries a credential, which is never stored\n"+
		"p.yaml:22:27: answers.success.body: unknown {value:v}\n"+
		"p.yaml:22:85: answers.duplicate.body: unknown {value:w}\n"+
		"p.yaml:25:46: handshakes[0].when[0].matches: error parsing regexp: missing closing ): `(`\n"+
		"p.yaml:25:95: handshakes[0].respond.body: {x} needs a name, as in {x:name}\n"+
		"p.yaml:25:129: handshakes[0].respond.headers[0].value: {y} needs a name, as in {y:name}\n"+
		"p.yaml:26:14: handshakes[1].method: must be in list [GET, HEAD, OPTIONS, POST], got \"PUT\"\n"+
		"p.yaml:29:48: settings[1] \"other\": pattern: error parsing regexp: missing closing ): `(`")
}

func checkProblems(t *testing.T, text, want string) {
	t.Helper()
	pack, err := Parse("p.yaml", []byte(text))
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" || (pack == nil) != (want != "") {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
