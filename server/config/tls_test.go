package config

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const withSourceOnly = "sources: [{name: a, provider: hmac, secrets: [env:A]}]\n"

func loadWith(dir, file string) (*Config, error) {
	path := filepath.Join(dir, "hookbridge.yaml")
	if err := os.WriteFile(path, []byte(withSourceOnly+file), 0o600); err != nil {
		return nil, err
	}
	return Load(path, Options{LookupEnv: env("A", "1")})
}

// problemsWith is the error of loadWith, without the paths of the file and its folder.
func problemsWith(t *testing.T, dir, file string) string {
	t.Helper()
	_, err := loadWith(dir, file)
	if err == nil {
		t.Fatal("no error")
	}
	return strings.NewReplacer(filepath.Join(dir, "hookbridge.yaml")+":", "", dir, "DIR").Replace(err.Error())
}

// Each listener has its certificate, relative to the file; what is read is watched, and a new content needs no restart.
func TestTLS(t *testing.T) {
	dir := pems(t)
	const file = `http: {tls: {cert: a.crt, key: a.key}}
grpc: {tls: {cert: b.crt, key: ./a.key, client_ca: a.crt}}
admin: {tls: {cert: a.crt, key: a.sec1, client_ca: b.crt, require_client_cert: true}}
`
	got, err := loadWith(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name             string
		tls              *TLS
		clients          tls.ClientAuthType
		ticketsDisabled  bool
		cert, key, authf string
	}{
		{"http", got.HTTP.TLS, tls.NoClientCert, false, "a.crt", "a.key", ""},
		{"grpc", got.GRPC.TLS, tls.VerifyClientCertIfGiven, true, "b.crt", "a.key", "a.crt"},
		{"admin", got.Admin.TLS, tls.RequireAndVerifyClientCert, true, "a.crt", "a.sec1", "b.crt"},
	} {
		opened, err := tc.tls.Open()
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if opened.ClientAuth != tc.clients || opened.SessionTicketsDisabled != tc.ticketsDisabled || opened.MinVersion != tls.VersionTLS12 {
			t.Errorf("%s: clients %v, tickets disabled %v, from version %x", tc.name, opened.ClientAuth, opened.SessionTicketsDisabled, opened.MinVersion)
		}
		for file, found := range map[string]string{tc.cert: tc.tls.CertFile, tc.key: tc.tls.KeyFile, tc.authf: tc.tls.ClientCAFile} {
			if file != "" && found != filepath.Join(dir, file) {
				t.Errorf("%s: got %s, want %s", tc.name, found, file)
			}
		}
		if text := strings.ToLower(tc.tls.Key.String()); text != redacted {
			t.Errorf("%s: the key prints as %s", tc.name, text)
		}
	}
	var files []string
	for _, name := range []string{"hookbridge.yaml", "a.crt", "a.key", "b.crt", "a.key", "a.crt", "a.crt", "a.sec1", "b.crt"} {
		files = append(files, filepath.Join(dir, name))
	}
	if diff := cmp.Diff(files, got.Files()); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}

	for _, tc := range []struct {
		name, file string
		restart    []string
	}{
		{"another certificate", strings.Replace(file, "b.crt", "a.crt", 1), nil},
		{"another authority", strings.Replace(file, "client_ca: b.crt", "client_ca: a.crt", 1), nil},
		{"certificates not required", strings.Replace(file, ", require_client_cert: true", "", 1), nil},
		{"no TLS", "grpc: {}\nadmin: {}\n", []string{"http", "grpc", "admin"}},
	} {
		next, err := loadWith(dir, tc.file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.restart, got.NeedsRestart(next)); diff != "" {
			t.Errorf("%s: needs a restart for (-want +got)\n%s", tc.name, diff)
		}
		if cmp.Equal(got, next, equateSecrets) {
			t.Errorf("%s: changes nothing", tc.name)
		}
	}
}

func TestTLSProblems(t *testing.T) {
	dir := pems(t)
	for _, tc := range []struct{ name, file, want string }{
		{"nothing in it", "http: {tls: {}}", `2:13: http.tls.cert: want a file with the certificate, PEM, got nothing
2:13: http.tls.key: want a file with the private key, PEM, got nothing`},
		{"no files", "grpc: {tls: {cert: no.crt, key: no.key, client_ca: no.ca}}", `2:20: grpc.tls.cert: file DIR/no.crt can't be read: no such file or directory
2:33: grpc.tls.key: file DIR/no.key can't be read: no such file or directory
2:52: grpc.tls.client_ca: file DIR/no.ca can't be read: no such file or directory`},
		{"a folder", "grpc: {tls: {cert: ., key: a.key}}", `2:20: grpc.tls.cert: file DIR is not a regular file`},
		{"key and certificate swapped", "admin: {tls: {cert: a.key, key: a.crt}}", `2:21: admin.tls.cert: file DIR/a.key: has no certificate in PEM`},
		{"a broken certificate", "admin: {tls: {cert: broken.crt, key: a.key}}", `2:21: admin.tls.cert: file DIR/broken.crt: certificate 1 can't be read: malformed certificate`},
		{"another's key", "http: {tls: {cert: a.crt, key: other.key}}", `2:32: http.tls.key: file DIR/other.key doesn't go with the certificate: private key does not match public key`},
		{"a certificate as key", "http: {tls: {cert: a.crt, key: a.crt}}", `2:32: http.tls.key: file DIR/a.crt doesn't go with the certificate: found a certificate rather than a key in the PEM for the private key`},
		{"an authority that is none", "grpc: {tls: {cert: a.crt, key: a.key, client_ca: a.key}}", `2:50: grpc.tls.client_ca: file DIR/a.key: has no certificate in PEM`},
		{"required of whom", "grpc: {tls: {cert: a.crt, key: a.key, require_client_cert: true}}", `2:60: grpc.tls.require_client_cert: has no meaning without client_ca, by which certificates are checked; give one or leave it out`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := problemsWith(t, dir, tc.file)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A file that could put it right is among those to watch.
func TestFilesOfATLSProblem(t *testing.T) {
	dir := pems(t)
	_, err := loadWith(dir, "http: {tls: {cert: a.crt, key: later.key}}")
	var problems *Error
	if p, ok := err.(*Error); ok {
		problems = p
	} else {
		t.Fatalf("got %v", err)
	}
	want := []string{filepath.Join(dir, "hookbridge.yaml"), filepath.Join(dir, "a.crt"), filepath.Join(dir, "later.key")}
	if diff := cmp.Diff(want, problems.Files); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
