package server_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// What a source has used up of its rate stays used up when another source captures its secret, after a reload that changed nothing, and
// after one that changed something else of it. Another rate begins anew.
func TestRatesOutliveAReload(t *testing.T) {
	now := time.Now()
	b := open(t, `journal: {min_free: "0"}
sources: [{name: orders, provider: hmac, rate: 0.01, burst: 2, secrets: ["env:hmac"]}, {name: tasks, provider: asana, secrets: [captured]}]
`, func() time.Time { return now })
	sent := 0
	post := func(when string, want int) {
		t.Helper()
		sent++
		if a := b.post("orders", "", "", fmt.Appendf(nil, `{"event":"user_created","user_id":%d}`, sent), nil); a.status != want {
			t.Errorf("%s: want %d, got %d %s", when, want, a.status, a.text)
		}
	}
	post("the first", http.StatusOK)
	captureAsana(t, b.at, "tasks")
	post("after a capture", http.StatusOK)
	post("beyond the burst", http.StatusTooManyRequests)
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		when, from, to string
		want           int
	}{
		{"nothing changed", "", "", http.StatusTooManyRequests},
		{"the largest body changed", "burst: 2", "max_body: 2MiB, burst: 2", http.StatusTooManyRequests},
		{"another source came", "{name: tasks", "{name: more, provider: hmac, secrets: [\"env:hmac\"]}, {name: tasks", http.StatusTooManyRequests},
		{"the burst changed", "burst: 2", "burst: 1", http.StatusOK},
		{"the burst changed before", "", "", http.StatusTooManyRequests},
	} {
		text = []byte(strings.Replace(string(text), step.from, step.to, 1))
		b.rewrite(string(text))
		post(step.when, step.want)
	}
}
