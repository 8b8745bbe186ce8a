package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"
)

// handshakeFailure is why a TLS handshake failed, in one word for a metric.
type handshakeFailure string

const (
	// notTLS is a peer that speaks something else; goneAway one that closed the connection, as probes of load balancers do; tooSlow
	// one that didn't end its handshake in time.
	notTLS   handshakeFailure = "not_tls"
	goneAway handshakeFailure = "closed"
	tooSlow  handshakeFailure = "timeout"
	// noCertificate is a peer that had to show a certificate, badCertificate one whose certificate is not believed.
	noCertificate  handshakeFailure = "no_certificate"
	badCertificate handshakeFailure = "bad_certificate"
	// refusedByPeer is a peer that refused us: mostly it doesn't believe our certificate.
	refusedByPeer handshakeFailure = "refused_by_peer"
	// otherFailure is all the rest, such as no protocol in common.
	otherFailure handshakeFailure = "other"
)

// noCertificateText is all that crypto/tls says of a missing certificate; there is no error to compare with.
const noCertificateText = "tls: client didn't provide a certificate"

// failureOf names the reason for an error of a handshake.
func failureOf(err error) handshakeFailure {
	var (
		plain      tls.RecordHeaderError
		unverified *tls.CertificateVerificationError
		network    *net.OpError
	)
	switch {
	// Before what is a timeout to the network: a certificate that is too old is none.
	case errors.As(err, &unverified):
		return badCertificate
	case err.Error() == noCertificateText:
		return noCertificate
	case errors.As(err, &plain):
		return notTLS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return tooSlow
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return goneAway
	case errors.As(err, &network) && network.Op == "remote error":
		return refusedByPeer
	}
	return otherFailure
}

// handshakes counts those that failed. Nothing that a stranger sends becomes a label.
type handshakes struct{ failures *prometheus.CounterVec }

func newHandshakes(reg prometheus.Registerer, keys keyrings) (*handshakes, error) {
	h := &handshakes{failures: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookbridge_tls_handshake_failures_total",
		Help: "TLS handshakes that failed, by listener (http, grpc, admin) and reason: not_tls, closed (also probes that connect and " +
			"hang up), timeout, no_certificate, bad_certificate (the client's), refused_by_peer (mostly it doesn't believe ours), other.",
	}, []string{"listener", "reason"})}
	for listener, k := range map[string]*keyring{"http": keys.http, "grpc": keys.grpc, "admin": keys.admin} {
		if k == nil {
			continue
		}
		for _, why := range []handshakeFailure{notTLS, goneAway, tooSlow, noCertificate, badCertificate, refusedByPeer, otherFailure} {
			h.failures.WithLabelValues(listener, string(why)) // an alert needs the zero
		}
	}
	return h, reg.Register(h.failures)
}

func (h *handshakes) failed(listener string, err error) {
	h.failures.WithLabelValues(listener, string(failureOf(err))).Inc()
}

// watch counts those of an HTTP server, which makes them itself and tells nobody how they end, by what it says of its connections.
func (h *handshakes) watch(listener string) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		secured, ok := c.(*tls.Conn)
		if !ok || state != http.StateClosed || secured.ConnectionState().HandshakeComplete {
			return
		}
		// It is over: this says how, and reads nothing more.
		if err := secured.Handshake(); err != nil {
			h.failed(listener, err)
		}
	}
}

// counted are credentials of a gRPC server whose failures are counted.
type counted struct {
	credentials.TransportCredentials
	handshakes *handshakes
}

// ServerHandshake implements credentials.TransportCredentials.
func (c counted) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		c.handshakes.failed("grpc", err)
	}
	return conn, info, err
}

// Clone implements credentials.TransportCredentials.
func (c counted) Clone() credentials.TransportCredentials {
	return counted{c.TransportCredentials.Clone(), c.handshakes}
}
