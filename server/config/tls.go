package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
)

// maxCertificates bounds a file with certificates; that of a whole system has less than 512KiB.
const maxCertificates = 4 << 20

// TLS is what a listener shows of itself, and which clients it believes, as the files were when Load read them.
type TLS struct {
	// CertFile, KeyFile and ClientCAFile are absolute; the last is empty where clients show no certificates.
	CertFile, KeyFile, ClientCAFile string
	// RequireClientCert refuses clients without a certificate.
	RequireClientCert bool
	// Cert and ClientCA are the contents of their files, and so is Key.
	Cert, ClientCA []byte
	Key            Secret
}

// Open makes what crypto/tls needs. It fails for nothing that Load returned. Where clients show certificates no session is resumed:
// one that was begun under another client_ca would not be checked by the one of now.
func (t *TLS) Open() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(t.Cert, []byte(t.Key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", t.CertFile, t.KeyFile, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCAFile == "" {
		return config, nil
	}
	config.ClientCAs, config.ClientAuth, config.SessionTicketsDisabled = x509.NewCertPool(), tls.VerifyClientCertIfGiven, true
	if t.RequireClientCert {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	authorities, err := parseCertificates(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca %s: %w", t.ClientCAFile, err)
	}
	for _, authority := range authorities {
		config.ClientCAs.AddCert(authority)
	}
	return config, nil
}

// files are what the listener has read.
func (t *TLS) files() []string {
	switch {
	case t == nil:
		return nil
	case t.ClientCAFile == "":
		return []string{t.CertFile, t.KeyFile}
	default:
		return []string{t.CertFile, t.KeyFile, t.ClientCAFile}
	}
}

func (c *completion) tls(path string, m *configv1.TLS) *TLS {
	if m == nil {
		return nil
	}
	t := &TLS{RequireClientCert: m.GetRequireClientCert()}
	t.CertFile, t.Cert = c.certificates(path+".cert", m.GetCert())
	t.ClientCAFile, t.ClientCA = c.certificates(path+".client_ca", m.GetClientCa())
	if t.RequireClientCert && m.GetClientCa() == "" {
		c.Add(path+".require_client_cert", "has no meaning without client_ca, by which certificates are checked; give one or leave it out")
	}
	if m.GetKey() == "" || c.At(path+".key") {
		return t
	}
	t.KeyFile = c.absolute(m.GetKey())
	c.files = append(c.files, t.KeyFile)
	key, err := readSecretFile(t.KeyFile)
	if err != nil {
		c.Add(path+".key", "%v", err)
		return t
	}
	t.Key = Secret{value: key, reference: "file:" + m.GetKey(), file: t.KeyFile}
	if t.Cert == nil {
		return t
	}
	if _, err := tls.X509KeyPair(t.Cert, []byte(key)); err != nil {
		c.Add(path+".key", "file %s doesn't go with the certificate: %s", t.KeyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return t
}

// certificates reads a file with certificates; nothing of no file.
func (c *completion) certificates(path, name string) (string, []byte) {
	if name == "" || c.At(path) {
		return "", nil
	}
	file := c.absolute(name)
	c.files = append(c.files, file)
	content, err := readCertificates(file)
	if err != nil {
		c.Add(path, "%v", err)
		return file, nil
	}
	return file, content
}

func readCertificates(path string) ([]byte, error) {
	content, err := readRegular(path, maxCertificates, "list of certificates")
	if err != nil {
		return nil, err
	}
	if _, err := parseCertificates(content); err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	return content, nil
}

// parseCertificates reads all certificates of a file, of which there is at least one. Anything else in it is passed over, as
// other programs do.
func parseCertificates(content []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d can't be read: %s", len(all)+1, strings.TrimPrefix(err.Error(), "x509: "))
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("has no certificate in PEM")
	}
	return all, nil
}
