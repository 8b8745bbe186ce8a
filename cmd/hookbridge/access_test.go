package main

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/certtest"
)

// What token new prints is a token and its digest, nothing of it twice, and each time another.
func TestTokenNew(t *testing.T) {
	out, errOut, code := execute(t, "token", "new", "--name", "billing")
	token := strings.TrimSuffix(out, "\n")
	if code != 0 || !regexp.MustCompile(`^hbt_[A-Za-z0-9_-]{43}\n$`).MatchString(out) {
		t.Fatalf("%d, %q", code, out)
	}
	want := fmt.Sprintf("\nThe token is shown this once. Under auth.principals in the bridge's configuration, with what it may read and use:\n\n"+
		"  - {name: billing, tokens: [%q], grants: {sources: [], types: [], subscriptions: []}}\n", auth.DigestOf(token))
	if errOut != want {
		t.Errorf("got %s\nwant %s", errOut, want)
	}
	if again, _, _ := execute(t, "token", "new"); again == out {
		t.Error("the same token again")
	}
	_, errOut, code = execute(t, "token", "new", "--name", "Billing Team")
	if want := "hookbridge: --name: want lower-case letters, digits, dots, dashes and underscores, at most 63, a letter first, got \"Billing Team\"\n"; code != exitUsage || errOut != want {
		t.Errorf("%d %s", code, errOut)
	}
}

// protected writes a configuration with TLS and principals, and what clients need, into a folder of its own.
func protected(t *testing.T, principals string) (dir, config string, bridge, clients *certtest.Authority) {
	t.Helper()
	dir = t.TempDir()
	bridge, clients = certtest.New(t, "bridge"), certtest.New(t, "clients")
	bridge.Write(t, dir, "bridge", certtest.Leaf{})
	clients.Write(t, dir, "ops", certtest.Leaf{Subject: pkix.Name{CommonName: "ops"}})
	config = filepath.Join(dir, "hookbridge.yaml")
	text := `http: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key}}
grpc: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key, client_ca: clients.ca}}
admin: {listen: "127.0.0.1:0", tls: {cert: bridge.crt, key: bridge.key}}
journal: {dir: ./data, min_free: "0"}
log: {format: text}
sources:
- {name: demo, provider: hmac, secrets: ["file:./secret"]}
- {name: other, provider: hmac, secrets: ["file:./secret"]}
auth:
  principals:
` + principals
	for name, content := range map[string]string{
		"hookbridge.yaml": text, "secret": secret, "bridge.ca": string(bridge.PEM()), "clients.ca": string(clients.PEM()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, config, bridge, clients
}

// The commands against a bridge that asks who they are: by token from a file and from the environment, by certificate, and refused.
func TestCommandsAuthenticate(t *testing.T) {
	token := auth.NewToken()
	dir, config, _, _ := protected(t, fmt.Sprintf(`  - {name: tail, tokens: [%q], grants: {sources: [demo], types: ["*"]}}
  - {name: ops, mtls: [CN=ops], grants: {sources: ["*"], types: ["*"]}}
`, auth.DigestOf(token)))
	bridge := start(t, config)
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, source := range []string{"other", "demo"} {
		out, errOut, code := execute(t, "send", "--config", config, "--url", "https://"+bridge.http, "--tls-ca", file("bridge.ca"), "--id", fmt.Sprint(n), source, "user_created")
		if code != 0 {
			t.Fatalf("send: %d %s%s", code, out, errOut)
		}
	}
	if _, errOut, code := execute(t, "send", "--config", config, "--url", "https://"+bridge.http, "demo", "user_created"); code != exitFailure || !strings.Contains(errOut, "certificate signed by unknown authority") {
		t.Errorf("send without the authority: %d %s", code, errOut)
	}
	for name, tc := range map[string]struct {
		args  []string
		env   string
		first string // the id of the first event that is shown
		err   string
	}{
		"a token from a file":           {[]string{"--tls-ca", file("bridge.ca"), "--token-file", file("token")}, "", "1", ""},
		"a token from the environment":  {[]string{"--tls-ca", file("bridge.ca")}, token, "1", ""},
		"the file, not the environment": {[]string{"--tls-ca", file("bridge.ca"), "--token-file", file("token")}, auth.NewToken(), "1", ""},
		"a certificate":                 {[]string{"--tls-ca", file("bridge.ca"), "--tls-cert", file("ops.crt"), "--tls-key", file("ops.key")}, "", "0", ""},
		"nothing":                       {[]string{"--tls-ca", file("bridge.ca")}, "", "", "hookbridge: no credentials were sent; want \"authorization: Bearer hbt_...\" or, where the listener has a client_ca, a client certificate\n"},
		"a wrong token":                 {[]string{"--tls-ca", file("bridge.ca")}, auth.NewToken(), "", "hookbridge: a token or client certificate that is known here is required\n"},
		"a source that is not granted":  {[]string{"--tls-ca", file("bridge.ca"), "--source", "other"}, token, "", "hookbridge: principal \"tail\" lacks the grant sources: \"other\"\n"},
		"a token file that isn't there": {[]string{"--tls", "--token-file", file("none")}, "", "", "hookbridge: --token-file: stat " + file("none") + ": no such file or directory\n"},
		"an authority that is none":     {[]string{"--tls-ca", file("token")}, "", "", "hookbridge: --tls-ca: " + file("token") + " has no certificate in PEM\n"},
		"a certificate without its key": {[]string{"--tls-cert", file("ops.crt")}, "", "", "hookbridge: want both --tls-cert and --tls-key, or neither\n"},
		"a token in plain text":         {[]string{"--server", "192.0.2.1:9090", "--plaintext"}, token, "", "hookbridge: --server: dial 192.0.2.1:9090: the token would cross the network in plain text: want WithTLS, or WithTokenInPlaintext where nobody can listen in (here: --tls, or --plaintext, with a token also --plaintext-token)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary(t), append([]string{"tail", "--server", bridge.grpc, "--from", "beginning", "--json"}, tc.args...)...)
			cmd.Env = append(os.Environ(), tokenVariable+"="+tc.env)
			var errOut transcript
			cmd.Stderr = &errOut
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			shown := make([]byte, 64<<10)
			n, _ := stdout.Read(shown)
			if tc.first != "" {
				if want := `"id":"` + tc.first + `"`; !strings.Contains(string(shown[:n]), want) {
					t.Errorf("shown is %s, want %s", shown[:n], want)
				}
				_ = cmd.Process.Kill()
			}
			err = cmd.Wait()
			if tc.first == "" && (err == nil || errOut.String() != tc.err || n > 0) {
				t.Errorf("ended with %v and %q, want %q", err, errOut.String(), tc.err)
			}
			if strings.Contains(errOut.String(), "hbt_") && !strings.Contains(errOut.String(), "hbt_...") {
				t.Errorf("a token was printed: %s", errOut.String())
			}
		})
	}
	bridge.stop(t)
	if strings.Contains(bridge.log.String(), token) {
		t.Errorf("the token is in the log:\n%s", bridge.log)
	}
}

// The commands other than tail connect by the same flags, and say what a stranger is told.
func TestOtherCommandsAuthenticate(t *testing.T) {
	t.Setenv("LOCAL_SECRET", localSecret)
	token := auth.NewToken()
	dir, config, _, _ := protected(t, fmt.Sprintf("  - {name: dev, tokens: [%q], grants: {sources: [demo], types: [\"*\"]}}\n", auth.DigestOf(token)))
	bridge := start(t, config)
	defer bridge.stop(t)
	app := newApplication(t)
	ca, file := filepath.Join(dir, "bridge.ca"), filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := execute(t, "send", "--config", config, "--url", "https://"+bridge.http, "--tls-ca", ca, "demo", "user_created"); code != 0 {
		t.Fatalf("send: %d %s%s", code, out, errOut)
	}
	const missing = "no credentials were sent; want \"authorization: Bearer hbt_...\" or, where the listener has a client_ca, a client certificate\n"
	for _, tc := range []struct {
		name     string
		args     []string
		out      string // how what is shown begins, with the token
		code     int
		errOut   string // what is said then
		stranger string
	}{
		{"schema", []string{"schema", "list", "--provider", "hmac"}, "PROVIDER  TYPES ", 0, "", "hookbridge: the bridge at " + bridge.grpc + ": " + missing},
		{"replay", []string{"replay", "--sequence", "1", "--to", app.URL, "--secret", "env:LOCAL_SECRET"}, "demo  user_created  ", 0, "", "hookbridge: " + missing},
		{"forward", []string{"forward", "--subscription", "dev", "--to", app.URL}, "", exitFailure,
			"hookbridge: principal \"dev\" lacks the grant subscriptions: \"dev\"\n", "hookbridge: " + missing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append(tc.args, "--server", bridge.grpc, "--tls-ca", ca)
			if out, errOut, code := execute(t, args...); code != exitFailure || out != "" || errOut != tc.stranger {
				t.Errorf("a stranger gets %d %q %q, want %q", code, out, errOut, tc.stranger)
			}
			if out, errOut, code := execute(t, append(args, "--token-file", file)...); code != tc.code || !strings.HasPrefix(out, tc.out) || errOut != tc.errOut {
				t.Errorf("a principal gets %d %q %q, want %d %q... %q", code, out, errOut, tc.code, tc.out, tc.errOut)
			}
		})
	}
	// Where one side wants TLS and the other one doesn't, which flag helps.
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no flag", []string{"--server", bridge.grpc}, "; if that is a bridge with TLS, say --tls\n"},
		{"a flag too many", []string{"--server", app.Listener.Addr().String(), "--tls"}, "; the bridge has no TLS there: leave out the --tls flags\n"},
	} {
		if out, errOut, code := execute(t, append([]string{"subscriptions", "list"}, tc.args...)...); code != exitFailure || out != "" || !strings.HasSuffix(errOut, tc.want) {
			t.Errorf("%s: %d %q %q, want at the end %q", tc.name, code, out, errOut, tc.want)
		}
	}
}

// A certificate that changes on disk is what the next handshake sees; one that is broken changes nothing and is reported; a principal
// that is taken out of the file is refused.
func TestReloadOfCertificatesAndPrincipals(t *testing.T) {
	token := auth.NewToken()
	entry := fmt.Sprintf("  - {name: a, tokens: [%q], grants: {sources: [\"*\"], types: [\"*\"]}}\n", auth.DigestOf(token))
	dir, config, authority, _ := protected(t, entry+fmt.Sprintf("  - {name: b, tokens: [%q]}\n", auth.DigestOf(auth.NewToken())))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, log := newLines(), newLines()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, out, log, config) }()
	admin := regexp.MustCompile(`admin +https://([0-9.:]+)`).FindStringSubmatch(out.take(t, "  admin "))[1]
	serial := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", admin, &tls.Config{RootCAs: authority.Pool()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()

	certificate, err := os.ReadFile(filepath.Join(dir, "bridge.crt"))
	if err != nil {
		t.Fatal(err)
	}
	// Key and certificate are written one after the other: until both are there they don't go together, and the old ones stay.
	authority.Write(t, dir, "bridge", certtest.Leaf{})
	log.take(t, "configuration reloaded")
	second := serial()
	if second == first {
		t.Error("the new certificate isn't shown")
	}
	replace(t, filepath.Join(dir, "bridge.crt"), certificate)
	if problems := log.take(t, "was not reloaded"); !strings.Contains(problems, "bridge.key doesn't go with the certificate: private key does not match public key") {
		t.Errorf("the log says\n%s", problems)
	}
	if got := serial(); got != second {
		t.Error("a certificate without its key changed what is shown")
	}
	authority.Write(t, dir, "bridge", certtest.Leaf{})
	log.take(t, "configuration reloaded")
	if got := serial(); got == second {
		t.Error("the third certificate isn't shown")
	}

	listed := func() int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+admin+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := listed(); got != http.StatusOK {
		t.Errorf("a principal gets %d", got)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(text), entry, "", 1)
	if without == string(text) {
		t.Fatal("the principal isn't in the file")
	}
	if err := os.WriteFile(config, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	log.take(t, "configuration reloaded")
	if got := listed(); got != http.StatusUnauthorized {
		t.Errorf("a principal that is gone gets %d", got)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}
