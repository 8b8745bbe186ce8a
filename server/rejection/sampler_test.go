package rejection

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/provider"
)

// counting is a log of the source acme, in a bubble.
func counting(t *testing.T) *Log {
	t.Helper()
	l, err := New(Config{Store: journalfake.New().Rejections(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	l.SetSources(builtin(t), []*provider.Source{newSource(t, "acme", parsePack(t, acme), "a secret of acme")})
	return l
}

// signedFor is a delivery whose body came otherwise than it was signed.
func signedFor(n int, signed, body string) *delivery.Refusal {
	here := &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/webhooks/acme"}
	mac := hmac.New(sha256.New, []byte("a secret of acme"))
	mac.Write([]byte(here.String() + signed))
	r := refusal("192.0.2.1", n, []byte(body))
	r.Request.URL, r.Request.Method = here, http.MethodPost
	r.Request.Header.Set("X-Acme-Signature", hex.EncodeToString(mac.Sum(nil)))
	return r
}

// Who tries one cause after the other has each of them written down, however fast: only those alike are counted, and what is looked into is
// bounded all the same.
func TestDifferentFindingsAreNotAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := counting(t)
		end := run(t, l)
		defer end()
		causes := []struct{ signed, body string }{
			{"{\"a\":1}", "\xef\xbb\xbf{\"a\":1}"}, {"{\"a\":1}\n", "{\"a\":1}"}, {"{\"a\":\"é\"}", "{\"a\":\"\xe9\"}"},
			{`{"a":1}`, `{"a": 1}`}, {`{"a":"é"}`, `{"a":"\u00e9"}`}, {"other", "{}"},
		}
		var want []string
		for round := range 2 {
			for n, c := range causes {
				for k := range 4 {
					id := round*1000 + n*100 + k
					l.Refused(signedFor(id, c.signed, c.body))
					want = append(want, fmt.Sprintf("192.0.2.1 %d +0", id))
				}
			}
		}
		synctest.Wait()
		if diff := cmp.Diff(want, written(t, l.cfg.Store)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// Where some begin to be only counted, the last that was written down says so, and the list how many there are, at once. The next entry
// has them, and then the list has none.
func TestCountedAreSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := counting(t)
		end := run(t, l)
		defer end()
		// So that its minute is over between two sweeps.
		time.Sleep(sweepEvery / 3)
		began := time.Now()
		for n := range 10_000 {
			if n == perSpan {
				time.Sleep(time.Second)
			}
			l.Refused(refusal("192.0.2.1", n, []byte("{}")))
			if n == 3 || n == 9_999 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Millisecond)
		l.Refused(&delivery.Refusal{RequestID: "x", Time: time.Now(), Source: "other", Peer: "192.0.2.2", Status: 404, Reason: "UNKNOWN_SOURCE"})
		synctest.Wait()
		list := func(source string) *hookbridgev1.ListRejectionsResponse {
			t.Helper()
			resp, err := l.List(t.Context(), &hookbridgev1.ListRejectionsRequest{Source: source})
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		resp := list("")
		counted := []*hookbridgev1.CountedRejections{{
			Source: "acme", Peer: "192.0.2.1", Reason: "SIGNATURE_MISMATCH", Count: 10_000 - perSpan, Since: timestamppb.New(began.Add(time.Second)),
		}}
		if diff := cmp.Diff(counted, resp.GetCounted(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if got := list("other").GetCounted(); len(got) != 0 {
			t.Errorf("counted of another source: %v", got)
		}
		var until []string
		for _, r := range resp.GetRejections() {
			if r.GetCountedUntil() != nil {
				until = append(until, r.GetRequestId()+" "+r.GetCountedUntil().AsTime().Sub(began).String())
			}
		}
		if diff := cmp.Diff([]string{fmt.Sprint(perSpan-1) + " 1m0s"}, until); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		// Of all of them no more were looked into than may be.
		looked := testutil.ToFloat64(l.metrics.diagnosedN.WithLabelValues("unknown_secret")) + testutil.ToFloat64(l.metrics.unlooked.WithLabelValues(noTime))
		if looked != lookedAt {
			t.Errorf("%v were looked into, want %d", looked, lookedAt)
		}
		time.Sleep(span)
		l.Refused(refusal("192.0.2.1", 10_000, []byte("{}")))
		synctest.Wait()
		resp = list("acme")
		if first := resp.GetRejections()[0]; first.GetAlike() != 10_000-perSpan || len(resp.GetCounted()) != 0 {
			t.Errorf("the next has %d alike, and counted are %v", first.GetAlike(), resp.GetCounted())
		}
	})
}

// What was not looked into says so and why; what there is nothing to find out about doesn't.
func TestUnexaminedIsSaid(t *testing.T) {
	const told = ". All that is known is what the sender was told"
	for _, c := range []struct {
		name, want string
		prepare    func(*Log, *delivery.Refusal)
	}{
		{"too large", "it was not looked into: the body is larger than the 64 KiB up to which bodies are looked into" + told,
			func(_ *Log, r *delivery.Refusal) { r.Request.Body = make([]byte, maxBody+1) }},
		{"no room", "it was not looked into: too many refusals waited to be looked into at that time, and there was no room for its body" + told,
			func(l *Log, _ *delivery.Refusal) { l.bytes.Store(maxQueuedBytes) }},
		{"no time", "it was not looked into: too many refusals came at that time, and the time for looking into them was used up" + told,
			func(l *Log, _ *delivery.Refusal) { l.budget.spend(2 * reserve) }},
		{"another reason", "", func(_ *Log, r *delivery.Refusal) { r.Reason, r.Request.Body = "MEDIA_TYPE", make([]byte, maxBody+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := counting(t)
				r := refusal("192.0.2.1", 1, []byte("{}"))
				c.prepare(l, r)
				end := run(t, l)
				l.Refused(r)
				synctest.Wait()
				end()
				resp, err := l.List(t.Context(), &hookbridgev1.ListRejectionsRequest{})
				if err != nil || len(resp.GetRejections()) != 1 {
					t.Fatalf("%v %v", resp, err)
				}
				var got []string
				for _, d := range resp.GetRejections()[0].GetDiagnoses() {
					got = append(got, strings.TrimPrefix(d.GetKind().String(), "KIND_")+" "+d.GetMessage())
				}
				if want := "NOT_EXAMINED " + c.want; c.want != "" && !cmp.Equal(got, []string{want}) || c.want == "" && got != nil {
					t.Errorf("want %q, got %q", c.want, got)
				}
			})
		})
	}
}
