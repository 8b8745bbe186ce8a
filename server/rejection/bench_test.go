package rejection

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// examinable is a forged delivery with everything to be tried on it: many sources, ten secrets, a body that can be written anew.
func examinable(tb testing.TB, size int) (*Log, *item) {
	tb.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := New(Config{})
	if err != nil {
		tb.Fatal(err)
	}
	pack, _ := catalogue.Get("github")
	var list []*provider.Source
	for n := range 50 {
		var secrets []string
		for m := range 10 {
			secrets = append(secrets, fmt.Sprintf("secret_%d_%d", n, m))
		}
		s, err := provider.NewSource(provider.SourceConfig{Name: fmt.Sprintf("s%02d", n), Pack: pack, Secrets: secrets})
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, s)
	}
	l.SetSources(catalogue, list)
	element := `{"name":"é/<x>","id":1.5},`
	body := []byte(`[` + strings.Repeat(element, max(1, (size-2)/len(element))))
	body[len(body)-1] = ']'
	return l, &item{
		entry: &hookbridgev1.RefusedDelivery{Source: "s00"},
		request: &delivery.Request{
			Method: http.MethodPost, URL: &url.URL{Path: "/webhooks/s00"}, Body: bytes.Clone(body), ReceivedAt: time.Now(),
			Header: http.Header{"X-Hub-Signature-256": {"sha256=" + strings.Repeat("0", 64)}},
		},
	}
}

// What looking into one forged delivery costs at most, for a usual body and for the largest.
func BenchmarkExamination(b *testing.B) {
	for _, size := range []int{1 << 10, maxBody} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, it := examinable(b, size)
			for b.Loop() {
				if found := l.examine(b.Context(), it); len(found) != 1 || found[0].GetKind() != hookbridgev1.Diagnosis_KIND_UNKNOWN_SECRET {
					b.Fatalf("found %v", found)
				}
			}
		})
	}
}

// The work for one is bounded, and it is said where not all was tried.
func TestWorkIsBounded(t *testing.T) {
	l, it := examinable(t, maxBody)
	found := l.examine(t.Context(), it)
	if len(found) != 1 || !strings.Contains(found[0].GetMessage(), "; not everything was tried, because that takes longer than is allowed. ") {
		t.Errorf("found %v", found)
	}
	// However many other sources there are, something is left for what else may be wrong.
	mac := hmac.New(sha256.New, []byte("secret_0_0"))
	mac.Write(append(bytes.Clone(it.request.Body), '\n'))
	it.request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	found = l.examine(t.Context(), it)
	if len(found) != 1 || !strings.HasPrefix(found[0].GetMessage(), "it matches with a line end after the body") {
		t.Errorf("found %v", found)
	}
	l, it = examinable(t, 100)
	found = l.examine(t.Context(), it)
	if len(found) != 1 || !strings.HasPrefix(found[0].GetMessage(), "header X-Hub-Signature-256 is there and well-formed, and matches under none of 500 secrets (10 of this source, 490 of other sources), "+
		"nor with 50 other readings of this source's secrets, nor with 112 rewrites of the body. ") {
		t.Errorf("found %v", found)
	}
}
