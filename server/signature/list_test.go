package signature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/signature"
)

// The grammars of headers with several signatures, and what is made of those that are not quite of the grammar.
func TestLists(t *testing.T) {
	const (
		assigned = `{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}],
			list: {separator: ",", assign: "=", take: [v1]}, timestamp: {at: [{item: t}], unit: s, tolerance: 300s}}`
		tagged = `{algorithm: hmac-sha256, encoding: base64, content: "{id}.{ts}.{body}", signature: [{header: Sig}], id: [{header: Id}],
			list: {separator: " ", assign: ",", take: [v1]}, timestamp: {at: [{header: Ts}], unit: s, tolerance: 300s}}`
		grouped = `{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}],
			list: {separator: ",", assign: "=", group: " ", take: [v1]}, timestamp: {at: [{item: t}], unit: s, tolerance: 300s}}`
		positional = `{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}],
			list: {separator: ",", skip: 1}, timestamp: {at: [{item: "0"}], unit: s, tolerance: 300s}}`
		bare   = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: Sig}], list: {separator: ","}}`
		either = `{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}],
			list: {separator: ",", assign: "=", take: [v1]}, timestamp: {at: [{item: t}, {header: Ts}], unit: s, tolerance: 300s}}`
		// 'msg_1.1700000000.{"hello":"world"}'
		taggedBase64 = "hrxoQtu1V3cOy3XRXPxdoeoKMU7cn9jQL/Dti4fl3MA="
	)
	wrong := strings.Repeat("0", 64)
	stamped := signature.Match{Time: stampTime, TimeCovered: true}
	next := signature.Match{Time: stampTime.Add(time.Second), TimeCovered: true}
	tag := signature.Match{Time: stampTime, TimeCovered: true, ID: "msg_1"}
	with := func(sig, id, ts string) map[string][]string {
		return map[string][]string{"Sig": {sig}, "Id": {id}, "Ts": {ts}}
	}
	for _, c := range []verifyCase{
		{name: "one", scheme: assigned, header: header("Sig", "t=1700000000,v1="+stampedHex), want: stamped},
		{name: "the signature first", scheme: assigned, header: header("Sig", "v1="+stampedHex+",t=1700000000"), want: stamped},
		{name: "white space", scheme: assigned, header: header("Sig", " t = 1700000000 ,\tv1 = "+stampedHex+" , "), want: stamped},
		{name: "two, the second is right", scheme: assigned, header: header("Sig", "t=1700000000,v1="+wrong+",v1="+stampedHex), want: stamped},
		{name: "two, the first can't be read", scheme: assigned, header: header("Sig", "t=1700000000,v1=zz,v1="+stampedHex), want: stamped},
		{name: "two, of two secrets the second", scheme: assigned, secrets: []string{"none", "the secret before"}, header: header("Sig", "t=1700000000,v1="+stampedHex+",v1="+formerHex), want: signature.Match{Key: 1, Time: stampTime, TimeCovered: true}},
		{name: "two, both secrets match", scheme: assigned, secrets: []string{sharedSecret, "the secret before"}, header: header("Sig", "t=1700000000,v1="+formerHex+",v1="+stampedHex), want: stamped},
		{name: "items of other schemes", scheme: assigned, header: header("Sig", "t=1700000000,v0="+wrong+",what,v1="+stampedHex+",v2=x"), want: stamped},
		{name: "nothing but another scheme", scheme: assigned, header: header("Sig", "t=1700000000,v0="+stampedHex), err: signature.ErrMissing},
		{name: "the key in upper case", scheme: assigned, header: header("Sig", "t=1700000000,V1="+stampedHex), err: signature.ErrMissing},
		{name: "no timestamp", scheme: assigned, header: header("Sig", "v1="+stampedHex), err: signature.ErrMissing},
		{name: "an empty timestamp", scheme: assigned, header: header("Sig", "t=,v1="+stampedHex), err: signature.ErrMissing},
		{name: "no signature", scheme: assigned, header: header("Sig", "t=1700000000"), err: signature.ErrMissing},
		{name: "an empty signature", scheme: assigned, header: header("Sig", "t=1700000000,v1="), err: signature.ErrMalformed},
		{name: "another timestamp", scheme: assigned, header: header("Sig", "t=1700000001,v1="+stampedHex), err: signature.ErrMismatch},
		{name: "the same time, written otherwise", scheme: assigned, header: header("Sig", "t=01700000000,v1="+stampedHex), err: signature.ErrMismatch},
		{name: "two timestamps", scheme: assigned, header: header("Sig", "t=1700000000,t=1700000001,v1="+stampedHex), err: signature.ErrMalformed},
		{name: "the same timestamp twice", scheme: assigned, header: header("Sig", "t=1700000000,v1="+stampedHex+",t=1700000000"), err: signature.ErrMalformed},
		{name: "only separators", scheme: assigned, header: header("Sig", ",,,"), err: signature.ErrMissing},
		{name: "the value doesn't follow the key", scheme: assigned, header: header("Sig", "t:1700000000,v1:"+stampedHex), err: signature.ErrMissing},
		{name: "the wrong separator", scheme: assigned, header: header("Sig", "t=1700000000;v1="+stampedHex), err: signature.ErrMissing},
		{name: "a NUL in the timestamp", scheme: assigned, header: header("Sig", "t=1700000000\x00,v1="+stampedHex), err: signature.ErrMalformed},
		{name: "the header twice, with a timestamp each", scheme: assigned, header: header("Sig", "t=1700000000,v1="+wrong, "t=1700000001,v1="+nextHex), want: next},
		{name: "the header twice, the timestamp in the other one", scheme: assigned, header: header("Sig", "t=1700000000", "v1="+stampedHex), err: signature.ErrMissing},
		{name: "ten signatures", scheme: assigned, header: header("Sig", "t=1700000000"+strings.Repeat(",v1="+wrong, 9)+",v1="+stampedHex), want: stamped},
		{name: "eleven signatures", scheme: assigned, header: header("Sig", "t=1700000000"+strings.Repeat(",v1="+wrong, 10)+",v1="+stampedHex), err: signature.ErrMalformed},
		{name: "32 items", scheme: assigned, header: header("Sig", "t=1700000000"+strings.Repeat(",x=1", 30)+",v1="+stampedHex), want: stamped},
		{name: "33 items", scheme: assigned, header: header("Sig", "t=1700000000"+strings.Repeat(",x=1", 31)+",v1="+stampedHex), err: signature.ErrMalformed},
		{name: "33 items in two headers", scheme: assigned, header: header("Sig", "t=1700000000,v1="+stampedHex, strings.Repeat("x=1,", 31)), err: signature.ErrMalformed},

		{name: "tags", scheme: tagged, header: with("v1,"+taggedBase64, "msg_1", "1700000000"), want: tag},
		{name: "tags, several", scheme: tagged, header: with("v1a,xx v1,AAAA v1,"+taggedBase64, "msg_1", "1700000000"), want: tag},
		{name: "tags, without padding", scheme: tagged, header: with("v1,"+strings.TrimRight(taggedBase64, "="), "msg_1", "1700000000"), want: tag},
		{name: "tags, of another scheme", scheme: tagged, header: with("v1a,"+taggedBase64, "msg_1", "1700000000"), err: signature.ErrMissing},
		{name: "tags, another id", scheme: tagged, header: with("v1,"+taggedBase64, "msg_2", "1700000000"), err: signature.ErrMismatch},
		{name: "tags, the dot moved from id to time", scheme: tagged, header: with("v1,"+taggedBase64, "msg_1.1700000000", "1700000000"), err: signature.ErrMismatch},
		{name: "tags, no id", scheme: tagged, header: with("v1,"+taggedBase64, "", "1700000000"), err: signature.ErrMissing},
		{name: "tags, no time", scheme: tagged, header: with("v1,"+taggedBase64, "msg_1", ""), err: signature.ErrMissing},
		{name: "tags, two ids", scheme: tagged, header: map[string][]string{"Sig": {"v1," + taggedBase64}, "Id": {"msg_1", "msg_2"}, "Ts": {"1700000000"}}, err: signature.ErrMalformed},
		{name: "tags, two times", scheme: tagged, header: map[string][]string{"Sig": {"v1," + taggedBase64}, "Id": {"msg_1"}, "Ts": {"1700000000", "1700000000"}}, err: signature.ErrMalformed},

		{name: "groups", scheme: grouped, header: header("Sig", "t=1700000000,v1="+wrong+" t=1700000001,v1="+nextHex), want: next},
		{name: "groups, the timestamp of the other one", scheme: grouped, header: header("Sig", "t=1700000000,v1="+nextHex+" t=1700000001,v1="+wrong), err: signature.ErrMismatch},
		{name: "groups, one without a timestamp", scheme: grouped, header: header("Sig", "t=1700000000,v1="+stampedHex+" v1="+wrong), err: signature.ErrMissing},
		{name: "groups, four times", scheme: grouped, header: header("Sig", "t=1,v1="+wrong+" t=2,v1="+wrong+" t=3,v1="+wrong+" t=1700000000,v1="+stampedHex), want: stamped},
		{name: "groups, five times", scheme: grouped, header: header("Sig", "t=1,v1="+wrong+" t=2,v1="+wrong+" t=3,v1="+wrong+" t=4,v1="+wrong+" t=1700000000,v1="+stampedHex), err: signature.ErrMalformed},

		{name: "positions", scheme: positional, header: header("Sig", "1700000000,"+wrong+","+stampedHex), want: stamped},
		{name: "positions, no signature", scheme: positional, header: header("Sig", "1700000000"), err: signature.ErrMissing},
		{name: "positions, the other way round", scheme: positional, header: header("Sig", stampedHex+",1700000000"), err: signature.ErrMalformed},

		{name: "bare", scheme: bare, header: header("Sig", wrong+", "+helloHex)},
		{name: "bare, none", scheme: bare, header: header("Sig", ","), err: signature.ErrMissing},

		{name: "the timestamp of the list", scheme: either, header: header("Sig", "t=1700000000,v1="+stampedHex), want: stamped},
		{name: "the timestamp of the header", scheme: either, header: map[string][]string{"Sig": {"v1=" + stampedHex}, "Ts": {"1700000000"}}, want: stamped},
		{name: "both: that of the list counts", scheme: either, header: map[string][]string{"Sig": {"t=1700000000,v1=" + stampedHex}, "Ts": {"1700000001"}}, want: stamped},
	} {
		c.tolerance = 5 * time.Minute
		t.Run(c.name, c.run)
	}
}
