package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What was refused, as a person sees it: while it comes, and afterwards. The newest is the last line, as in a log.
func TestRejectionsFromTheShell(t *testing.T) {
	bridge := start(t, configFile(t, "  - {name: other, provider: hmac, secrets: [\"file:./secret\"]}\n"))
	follow := exec.CommandContext(t.Context(), binary(t), "rejections", "--server", bridge.grpc, "--since", "1h", "--follow")
	stdout, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	lines, followed := bufio.NewScanner(stdout), ""
	post := func(path string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+bridge.http, strings.NewReader(`{"event":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = "/webhooks/" + path
		req.Header.Set("Content-Type", "application/json")
		if path == "other" {
			req.Header.Set("X-Signature", strings.Repeat("0", 64))
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	for _, path := range []string{"demo", "nowhere\x1b[31m", "other"} {
		post(path)
		// A refusal is written down after its answer: the next one comes when this one is shown.
		for n := 0; n < 2 && lines.Scan(); n++ {
			followed += lines.Text() + "\n"
		}
	}
	const demo = "TIME  demo   127.0.0.1  401 SIGNATURE_MISSING\n    signature absent: header X-Signature is not there: has the webhook got a secret at the provider? "
	const nowhere = "\nTIME  -      127.0.0.1  404 UNKNOWN_SOURCE\n    no source of this name is configured\n"
	const other = "TIME  other  127.0.0.1  401 SIGNATURE_MISMATCH\n    unknown secret: header X-Signature is there and well-formed, and matches under none of 2 secrets (1 of this source, 1 of other sources), "
	// The columns are as wide as what was known when the line was printed.
	narrow := func(text string) string { return regexp.MustCompile(`(\S)  +`).ReplaceAllString(text, "$1 ") }
	followed = masked(followed)
	if followed = narrow(followed); !strings.HasPrefix(followed, narrow(demo)) || !strings.Contains(followed, narrow(nowhere+other)) {
		t.Errorf("followed:\n%s\nwant\n%s...%s%s...", followed, demo, nowhere, other)
	}
	if err := follow.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	out, errOut, code := execute(t, "rejections", "--server", bridge.grpc)
	if got := masked(out); code != 0 || narrow(got) != followed || !strings.HasPrefix(got, demo) || !strings.Contains(got, nowhere+other) {
		t.Errorf("%d %s\n%s\nwant\n%s...%s%s...", code, errOut, got, demo, nowhere, other)
	}
	out, errOut, code = execute(t, "rejections", "--server", bridge.grpc, "--source", "other", "--limit", "1", "--json")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"source":"other","peer":"127.0.0.1","status":401,"reason":"SIGNATURE_MISMATCH"`) ||
		!strings.Contains(out, `"diagnoses":[{"kind":"KIND_UNKNOWN_SECRET","message":"header X-Signature is there and well-formed`) {
		t.Errorf("%d %s\n%s", code, errOut, out)
	}
	// Ten alike are written down, one of them before; of the others it is said at once that they were only counted.
	for range 12 {
		post("other")
	}
	for tries := 0; tries == 0 || !strings.Contains(errOut, "at least 3 more like other 127.0.0.1 SIGNATURE_MISMATCH since "); tries++ {
		if out, errOut, code = execute(t, "rejections", "--server", bridge.grpc, "--source", "other"); code != 0 || tries == 100 {
			t.Fatalf("after %d tries: %d %s", tries, code, errOut)
		}
	}
	if n := strings.Count(out, "401 SIGNATURE_MISMATCH"); n != 10 || strings.Count(out, "    more: those like this are only counted until ") != 1 {
		t.Errorf("%d are shown:\n%s", n, out)
	}
	for _, c := range []struct{ args, want string }{
		{"rejections x", "hookbridge: rejections wants no arguments, got \"x\"\n"},
		{"rejections --limit 0", "hookbridge: --limit: want at least 1, got 0\n"},
		{"rejections --since yesterday", "hookbridge: --since: want a time like 2026-03-01T09:00:00Z or a duration like 30m, got \"yesterday\"\n"},
	} {
		if _, errOut, code := execute(t, strings.Fields(c.args)...); code != 2 || errOut != c.want {
			t.Errorf("%s: %d %s", c.args, code, errOut)
		}
	}
	bridge.stop(t)
}
