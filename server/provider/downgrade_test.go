package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

// grafanaRequest is what the fixture's signer signed with a timestamp.
func grafanaRequest(body string, header map[string]string) *delivery.Request {
	r := post(http.Header{"Content-Type": {"application/json"}}, []byte(body))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

// What is signed with a timestamp, "{ts}:{body}", is also what a body without one would be signed as that begins with the time. Whoever recorded
// such a delivery could send it for ever, if it were for the sender to choose the form.
func TestGrafanaTimestampCannotBeLeftOut(t *testing.T) {
	const (
		body  = `{"receiver":"bridge","status":"firing","orgId":1,"groupKey":"{}:{grafana_folder=mugs}","alerts":[{"status":"firing","fingerprint":"b1f0"}]}`
		stamp = "1772355600"
		timed = "2c3b1ecd566d857966ffd5b7923fafbae4d1d54c4f7aecf0752856e0aa8bd948"
		plain = "ea5105082661427a456efe7884fb13ab279e8cb25ce7856f06e5c9f78e982c50"
	)
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get("grafana")
	const signed, at = "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp"
	for _, tc := range []struct {
		name, scheme, body string
		header             map[string]string
		late               time.Duration
		reason             string // empty: it is taken
	}{
		{"as it was sent", "", body, map[string]string{signed: timed, at: stamp}, 0, ""},
		{"later", "", body, map[string]string{signed: timed, at: stamp}, 6 * time.Minute, "TIMESTAMP_OUT_OF_TOLERANCE"},
		{"later, without its timestamp", "", body, map[string]string{signed: timed}, 6 * time.Minute, "SIGNATURE_MISSING"},
		{"later, with an empty timestamp", "", body, map[string]string{signed: timed, at: ""}, 6 * time.Minute, "SIGNATURE_MISSING"},
		{"later, with the timestamp in the body", "", stamp + ":" + body, map[string]string{signed: timed}, 6 * time.Minute, "SIGNATURE_MISSING"},
		{"without a timestamp", "", body, map[string]string{signed: plain}, 0, "SIGNATURE_MISSING"},
		{"without a timestamp, as the source has it", "signature", body, map[string]string{signed: plain}, 0, ""},
		{"with a timestamp, as the source doesn't have it", "signature", body, map[string]string{signed: timed, at: stamp}, 0, "SIGNATURE_MISMATCH"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := SourceConfig{Name: "test", Pack: pack, Secrets: []string{"hunter2"}, Scheme: tc.scheme}
			if tc.scheme == "" {
				cfg.Tolerance = 5 * time.Minute
			}
			source, err := NewSource(cfg)
			if err != nil {
				t.Fatal(err)
			}
			r := grafanaRequest(tc.body, tc.header)
			r.ReceivedAt = fixtureClock.Add(tc.late)
			outcome, err := source.Receive(t.Context(), r)
			switch {
			case tc.reason != "" && (err == nil || reasonOf(err) != tc.reason):
				t.Errorf("got %v, want %s", err, tc.reason)
			case tc.reason == "" && (err != nil || outcome.Verified[0].Type != "firing"):
				t.Errorf("got %v and %+v", err, outcome.Verified)
			}
		})
	}
}

// HubSpot sends a delivery with its signatures of several versions. Without the one that has a timestamp nothing is left of it.
func TestHubSpotIsHeldToItsNewestSignature(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get("hubspot")
	fixture := readFixture(t, "hubspot")
	recorded := func(version string) *delivery.Request {
		for _, c := range fixture.GetCases() {
			if c.GetHeaders()["X-HubSpot-Signature-Version"] == version && c.GetOrigin() != "" {
				return fixtureRequest(t, c)
			}
		}
		t.Fatalf("there is no case of %s", version)
		return nil
	}
	for version, secret := range map[string]string{"v1": "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "v2": "hubspot-client-secret"} {
		for scheme, want := range map[string]error{"": ErrSignatureMissing, "v3": ErrSignatureMissing, version: nil} {
			source, err := NewSource(SourceConfig{Name: "test", Pack: pack, Secrets: []string{secret}, Scheme: scheme, PublicURL: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.Receive(t.Context(), recorded(version)); !errors.Is(err, want) {
				t.Errorf("%s at a source with scheme %q: got %v, want %v", version, scheme, err, want)
			}
		}
	}
}

// No source lets its sender choose a proof that says less than another which the same secret makes.
func TestNoSenderChoosesTheWeakerProof(t *testing.T) {
	eachAuthenticCase(t, func(t *testing.T, _ *Pack, source *Source, _ *providerv1.Case) {
		for _, weak := range source.schemes {
			for _, strong := range source.schemes {
				for _, n := range weak.positions {
					for _, m := range strong.positions {
						if n == m && strong.scheme.Outdoes(weak.scheme) {
							t.Errorf("with secrets[%d] a sender may choose %s instead of %s", n, weak.scheme.Name(), strong.scheme.Name())
						}
					}
				}
			}
		}
	})
}

// What was recorded of a delivery with a timestamp that is checked is refused without it: with its place left out, empty, or moved into the body.
func TestATimestampCannotBeLeftOut(t *testing.T) {
	checked := map[string]bool{}
	eachAuthenticCase(t, func(t *testing.T, pack *Pack, source *Source, c *providerv1.Case) {
		f := &flipper{t: t, pack: pack, source: source, c: c}
		f.find()
		stamp := f.spec.GetTimestamp()
		if stamp == nil {
			return
		}
		refused := func(what string, r *delivery.Request) {
			t.Helper()
			f.refused(source, r, what, "SIGNATURE_MISSING", "SIGNATURE_MALFORMED", "SIGNATURE_MISMATCH")
		}
		for _, at := range stamp.GetAt() {
			switch {
			case at.GetHeader() != "":
				r := f.request()
				text := r.Header.Get(at.GetHeader())
				if text == "" {
					continue // it is in another of the places
				}
				r.Header.Del(at.GetHeader())
				refused("without "+at.GetHeader(), r)
				for _, joint := range []string{"", ".", ":", "\n"} {
					for _, body := range []string{text + joint + string(r.Body), string(r.Body) + joint + text} {
						r = f.request()
						r.Header.Del(at.GetHeader())
						r.Body = []byte(body)
						refused("with "+at.GetHeader()+" in the body", r)
					}
				}
				r = f.request()
				r.Header.Set(at.GetHeader(), "")
				refused("with an empty "+at.GetHeader(), r)
				r = f.request()
				r.Header.Add(at.GetHeader(), text)
				refused("with "+at.GetHeader()+" twice", r)
			case at.GetItem() != "":
				r := f.request()
				for _, place := range f.spec.GetSignature() {
					rewrite(r, place, func(value string) string { return withoutItem(f.spec.GetList(), at.GetItem(), value) })
				}
				refused("without the item "+at.GetItem(), r)
			default:
				continue // in what is signed as a whole, which the bits that are flipped there show
			}
			checked[pack.Key()] = true
		}
	})
	if len(checked) < 66 {
		t.Errorf("%d providers have a timestamp that could be left out, want at least 66: does this test look at them?", len(checked))
	}
}

// withoutItem takes the timestamp out of a list.
func withoutItem(list *providerv1.List, item, value string) string {
	var kept []string
	for n, text := range strings.Split(value, list.GetSeparator()) {
		key, _, _ := strings.Cut(strings.TrimSpace(text), list.GetAssign())
		if list.GetAssign() != "" && key == item || list.GetAssign() == "" && item == string(rune('0'+n)) {
			continue
		}
		kept = append(kept, text)
	}
	return strings.Join(kept, list.GetSeparator())
}

// A tolerance that nothing is compared with would look like a protection and be none.
func TestAToleranceWantsATimestamp(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ key, scheme, secret, want string }{
		{"grafana", "", "hunter2", ""},
		{"grafana", "signature", "hunter2", `Grafana Alerting signs no timestamp by signature`},
		{"github", "", "hunter2", `GitHub signs no timestamp by signature`},
		{"gitlab", "", "whsec_aHVudGVyMg==", ""},
		{"gitlab", "", "hunter2", `GitLab signs no timestamp by token`},
	} {
		pack, _ := catalogue.Get(tc.key)
		_, err := NewSource(SourceConfig{Name: "s", Pack: pack, Secrets: []string{tc.secret}, Scheme: tc.scheme, Tolerance: time.Minute})
		if got := textOf(err); got != tc.want {
			t.Errorf("%s with scheme %q: got %q, want %q", tc.key, tc.scheme, got, tc.want)
		}
		if field, ok := errors.AsType[*FieldError](err); tc.want != "" && (!ok || field.Field != "tolerance") {
			t.Errorf("%s with scheme %q: %v isn't of the field tolerance", tc.key, tc.scheme, err)
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// eachAuthenticCase calls a test for every case of the fixtures that is taken as an event.
func eachAuthenticCase(t *testing.T, test func(t *testing.T, pack *Pack, source *Source, c *providerv1.Case)) {
	t.Helper()
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		for _, c := range readFixture(t, key).GetCases() {
			if c.GetRefused() != "" || c.GetAnswer() != nil {
				continue
			}
			t.Run(key+"/"+c.GetName(), func(t *testing.T) { test(t, pack, fixtureSource(t, pack, c), c) })
		}
	}
}
