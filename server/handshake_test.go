package server

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/certtest"
)

// Each reason is that of a real handshake: crypto/tls says some of them only in words, which may change.
func TestReasonsOfFailedHandshakes(t *testing.T) {
	authority, others := certtest.New(t, "authority"), certtest.New(t, "others")
	pair, stranger, expired := authority.Pair(t, certtest.Leaf{}), others.Pair(t, certtest.Leaf{}),
		authority.Pair(t, certtest.Leaf{NotAfter: time.Now().Add(-time.Hour)})
	shows := func(certificate tls.Certificate) func(net.Conn) {
		return func(c net.Conn) {
			client := tls.Client(c, &tls.Config{
				RootCAs: authority.Pool(), ServerName: "localhost",
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil },
			})
			_ = client.Handshake()
		}
	}
	says := func(text string) func(net.Conn) { return func(c net.Conn) { _, _ = io.WriteString(c, text) } }
	hangsUp := func(c net.Conn) { _ = c.Close() }
	for name, tc := range map[string]struct {
		client func(net.Conn)
		want   handshakeFailure
	}{
		"no certificate":         {shows(tls.Certificate{}), noCertificate},
		"another authority's":    {shows(stranger), badCertificate},
		"an expired certificate": {shows(expired), badCertificate},
		"another protocol":       {says("GET / HTTP/1.1\r\n\r\n"), notTLS},
		"nothing":                {hangsUp, goneAway},
		"half a hello":           {func(c net.Conn) { says("\x16\x03\x01\x01\x00\x01")(c); hangsUp(c) }, goneAway},
		"silence":                {func(net.Conn) {}, tooSlow},
		"another name": {func(c net.Conn) {
			_ = tls.Client(c, &tls.Config{RootCAs: authority.Pool(), ServerName: "elsewhere"}).Handshake()
		}, refusedByPeer},
		"an old version": {func(c net.Conn) {
			_ = tls.Client(c, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
		}, otherFailure},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			theirs, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			ours, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			var client sync.WaitGroup
			client.Go(func() {
				tc.client(theirs)
				_, _ = io.Copy(io.Discard, theirs) // until we close: what is unread would reset the connection
				_ = theirs.Close()
			})
			wait := time.Minute
			if tc.want == tooSlow {
				wait = time.Millisecond
			}
			if err := ours.SetDeadline(time.Now().Add(wait)); err != nil {
				t.Fatal(err)
			}
			err = tls.Server(ours, &tls.Config{
				Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool(),
			}).Handshake()
			_ = ours.Close()
			client.Wait()
			if err == nil {
				t.Fatal("the handshake succeeds")
			}
			if got := failureOf(err); got != tc.want {
				t.Errorf("%v: got %s, want %s", err, got, tc.want)
			}
		})
	}
}
