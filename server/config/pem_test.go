package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pems writes certificates into a new folder: a.crt and b.crt, both of the key in a.key, which is a.sec1 in another form; other.key,
// which is of none of them, and broken.crt, which is none.
func pems(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put := func(name, kind string, der []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"a", "b"} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(n + 1)), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		put(name+".crt", "CERTIFICATE", der, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	put("a.key", "PRIVATE KEY", der, err)
	der, err = x509.MarshalECPrivateKey(key)
	put("a.sec1", "EC PRIVATE KEY", der, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKCS8PrivateKey(other)
	put("other.key", "PRIVATE KEY", der, err)
	put("broken.crt", "CERTIFICATE", []byte("hunter2"), nil)
	return dir
}
