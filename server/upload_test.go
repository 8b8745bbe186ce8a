package server_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// upload is a delivery of the source demo that has begun and not arrived.
type upload struct {
	conn net.Conn
	in   *bufio.Reader
	rest []byte
}

// upload begins one. When it returns the bridge reads the body, of which a half is sent.
func (b *bridge) upload(t *testing.T) *upload {
	t.Helper()
	request := b.signed(t, "upload", userCreated(1000), "Expect", "100-continue")
	head := bytes.Index(request, []byte("\r\n\r\n")) + len("\r\n\r\n")
	u := &upload{conn: dialFor(t, b.at.HTTP), rest: request[head+500:]}
	u.in = bufio.NewReader(u.conn)
	if _, err := u.conn.Write(request[:head]); err != nil {
		t.Fatal(err)
	}
	// The bridge asks for the body: it has begun with the delivery.
	if resp := u.answer(t); resp.StatusCode != http.StatusContinue {
		t.Fatalf("status %d, want 100", resp.StatusCode)
	}
	if _, err := u.conn.Write(request[head : head+500]); err != nil {
		t.Fatal(err)
	}
	return u
}

// signed is a delivery of the source demo as it goes over the wire, with more headers.
func (b *bridge) signed(t *testing.T, id string, body []byte, header ...string) []byte {
	t.Helper()
	at := &url.URL{Scheme: "http", Host: b.at.HTTP, Path: "/webhooks/demo"}
	h, err := b.signer["demo"].Sign(at, body, "user_created", id, b.now())
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		h.Set(header[n], header[n+1])
	}
	req := &http.Request{Method: http.MethodPost, URL: at, Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return wire.Bytes()
}

// finish sends the rest and returns the answer.
func (u *upload) finish(t *testing.T) *http.Response {
	t.Helper()
	if _, err := u.conn.Write(u.rest); err != nil {
		t.Fatal(err)
	}
	return u.answer(t)
}

// answer reads the next answer. Its body can be read as long as the test runs.
func (u *upload) answer(t *testing.T) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(u.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// dialFor connects for as long as the test runs.
func dialFor(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}
