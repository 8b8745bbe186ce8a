package signature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/signature"
)

// How points in time are written, and what is none. The bounds are those of protobuf's Timestamp.
func TestUnits(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	none := time.Time{}
	for _, tc := range []struct {
		unit, text string
		want       time.Time
	}{
		{"s", "1700000000", at("2023-11-14T22:13:20Z")},
		{"s", "0", at("1970-01-01T00:00:00Z")},
		{"s", "0001700000000", at("2023-11-14T22:13:20Z")},
		{"s", "253402300799", at("9999-12-31T23:59:59Z")},
		{"s", "253402300800", none},
		{"s", "9223372036854775807", none},
		{"s", "9223372036854775808", none},
		{"s", "18446744073709551616", none},
		{"s", "92233720368547758080000000000000000000000", none},
		{"s", "", none},
		{"s", "-1", none},
		{"s", "+1700000000", none},
		{"s", " 1700000000", none},
		{"s", "1700000000 ", none},
		{"s", "1700000000\n", none},
		{"s", "1700000000\x00", none},
		{"s", "1_700_000_000", none},
		{"s", "1700000000.5", none},
		{"s", "1.7e9", none},
		{"s", "0x6553f100", none},
		{"s", "１７００", none},
		{"ms", "1700000000123", at("2023-11-14T22:13:20.123Z")},
		{"ms", "253402300799999", at("9999-12-31T23:59:59.999Z")},
		{"ms", "253402300800000", none},
		{"ms", "9223372036854775807", none},
		{"ms", "-1", none},
		{"rfc3339", "2023-11-14T22:13:20Z", at("2023-11-14T22:13:20Z")},
		{"rfc3339", "2023-11-14T23:13:20.123456789+01:00", at("2023-11-14T22:13:20.123456789Z")},
		{"rfc3339", "2023-11-14T22:13:20", none},
		{"rfc3339", "2023-11-14 22:13:20Z", none},
		{"rfc3339", "2023-02-30T00:00:00Z", none},
		{"rfc3339", "9999-12-31T23:59:59-01:00", none},
		{"rfc3339", "0001-01-01T00:00:00+01:00", none},
		{"iso8601", "2023-11-14T22:13:20", at("2023-11-14T22:13:20Z")},
		{"iso8601", "2023-11-14T22:13:20.5", at("2023-11-14T22:13:20.5Z")},
		{"iso8601", "2023-11-14T22:13:20+01:00", at("2023-11-14T21:13:20Z")},
		{"iso8601", "2023-11-14", none},
		{"http-date", "Tue, 14 Nov 2023 22:13:20 GMT", at("2023-11-14T22:13:20Z")},
		{"http-date", "1700000000", none},
	} {
		unit, err := signature.ParseUnit(tc.unit)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := unit.Parse(tc.text)
		if ok == tc.want.IsZero() || !got.Equal(tc.want) {
			t.Errorf("%s %q: got %v, %v, want %v", tc.unit, tc.text, got, ok, tc.want)
		}
	}
	if _, err := signature.ParseUnit("us"); err == nil || err.Error() != `unknown unit of time "us"` {
		t.Errorf("got %v", err)
	}
}

// What a unit writes it reads again, as exactly as it can be written.
func TestUnitsRoundTrip(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 123_456_789, time.FixedZone("", 3600))
	for name, precision := range map[string]time.Duration{
		"s": time.Second, "ms": time.Millisecond, "rfc3339": 1, "iso8601": 1, "http-date": time.Second,
	} {
		unit, err := signature.ParseUnit(name)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := unit.Parse(unit.Format(at))
		if want := at.Truncate(precision); !ok || !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// The tolerance counts both ways, to the nanosecond, the bound included; and only for a signature that is right.
func TestTolerance(t *testing.T) {
	const (
		seconds = `{algorithm: hmac-sha256, encoding: hex, content: "{ts}.{body}", signature: [{header: Sig}], timestamp: {at: [{header: Ts}], unit: s, tolerance: 300s}}`
		within  = `{algorithm: hmac-sha256, encoding: hex, content: "{body}", signature: [{header: Sig}], timestamp: {at: [{json: t}], unit: s, tolerance: 300s}}`
		// '{"t":1700000000}', '{"t":"soon"}', '{}'
		withinHex = "f312677be566f77ee930af176dd68b91327025e5aa60650f28cabae4f1628031"
		soonHex   = "ddc8a68680f4672e4e4d70ac74736e24b149e602d77caee66265732c19a5b9fb"
		emptyHex  = "11ed4cbe363231beef4e05aa21f1bd5bd812c20be4585a2629984198809f4424"
	)
	const tolerance = 5 * time.Minute
	sent := func(sig, stamp string) map[string][]string { return map[string][]string{"Sig": {sig}, "Ts": {stamp}} }
	fresh := signature.Match{Time: stampTime, TimeCovered: true}
	for _, c := range []verifyCase{
		{name: "now", scheme: seconds, header: sent(stampedHex, "1700000000"), want: fresh},
		{name: "as old as may be", at: tolerance, scheme: seconds, header: sent(stampedHex, "1700000000"), want: fresh},
		{name: "a nanosecond older", at: tolerance + 1, scheme: seconds, header: sent(stampedHex, "1700000000"), err: signature.ErrStale},
		{name: "as far in the future as may be", at: -tolerance, scheme: seconds, header: sent(stampedHex, "1700000000"), want: fresh},
		{name: "a nanosecond further", at: -tolerance - 1, scheme: seconds, header: sent(stampedHex, "1700000000"), err: signature.ErrStale},
		{name: "ages later", at: 290 * 365 * 24 * time.Hour, scheme: seconds, header: sent(stampedHex, "1700000000"), err: signature.ErrStale},
		{name: "a wrong signature doesn't hear that it is late", at: time.Hour, scheme: seconds, header: sent(strings.Repeat("0", 64), "1700000000"), err: signature.ErrMismatch},
		{name: "a time that can't be read", scheme: seconds, header: sent(stampedHex, "1700000000 "), err: signature.ErrMalformed},
		{name: "a negative time", scheme: seconds, header: sent(stampedHex, "-1700000000"), err: signature.ErrMalformed},
		{name: "a time beyond all", scheme: seconds, header: sent(stampedHex, "99999999999999999999"), err: signature.ErrMalformed},
		{name: "milliseconds where seconds are wanted", scheme: seconds, header: sent(stampedHex, "1700000000000"), err: signature.ErrMalformed},
		{name: "inside of the signed body", scheme: within, body: `{"t":1700000000}`, header: header("Sig", withinHex), want: fresh},
		{name: "inside of the signed body, late", at: tolerance + 1, scheme: within, body: `{"t":1700000000}`, header: header("Sig", withinHex), err: signature.ErrStale},
		{name: "inside of the signed body, no time", scheme: within, body: `{"t":"soon"}`, header: header("Sig", soonHex), err: signature.ErrMalformed},
		{name: "not inside of the signed body", scheme: within, body: `{}`, header: header("Sig", emptyHex), err: signature.ErrMissing},
	} {
		c.tolerance = tolerance
		t.Run(c.name, c.run)
	}
	unchecked := verifyCase{at: 1000 * time.Hour, scheme: seconds, header: sent(stampedHex, "1700000000"), want: signature.Match{Time: stampTime}}
	t.Run("not checked, and not called covered", unchecked.run)
}
