package edge

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// lingerBytes and lingerTime bound what is read, and thrown away, of a body that was refused before its end.
	lingerBytes = 64 << 20
	lingerTime  = 5 * time.Second
)

// watchedBody remembers whether its end was seen and how much was read.
type watchedBody struct {
	io.ReadCloser
	ended bool
	bytes int64
	// whole is what was read, when that is all.
	whole []byte
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	return n, err
}

// linger lets a sender whose delivery was refused while it still sends see the answer: a connection that is closed over unread
// bytes is reset, and the reset can overtake the answer. It costs time and no memory, and ends the connection. It is called before
// the answer is written, and the function that it returns after.
func linger(w http.ResponseWriter, r *http.Request, body *watchedBody) (after func()) {
	// A sender that asked whether to send was not told to.
	if body.ended || r.Header.Get("Expect") != "" {
		return func() {}
	}
	control := http.NewResponseController(w)
	// Without it the server reads a part of the body itself before the answer. An error means that there is nothing to linger for.
	if control.EnableFullDuplex() != nil {
		return func() {}
	}
	w.Header().Set("Connection", "close")
	return func() {
		if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
			return
		}
		// The sender may be gone, or never end.
		_, _ = io.CopyN(io.Discard, body, lingerBytes)
	}
}
