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
	// lastLinger is lingerTime of a shutdown, which waits for it.
	lastLinger = time.Second
)

// watchedBody remembers whether its end was seen and how much was read.
type watchedBody struct {
	io.ReadCloser
	// wanted says that it was read at all: a sender that asks whether to send was told to then.
	wanted, ended bool
	bytes         int64
	// whole is what was read, when that is all.
	whole []byte
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.wanted = true
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	return n, err
}

// linger lets a sender whose delivery was refused while it still sends see the answer: a connection that is closed over unread
// bytes is reset, and the reset can overtake the answer. It costs time and no memory, and ends the connection. A body in chunks whose
// reading has failed can't be read on: its sender may see the reset. It is called before the answer is written, and the function that it
// returns after.
func linger(w http.ResponseWriter, r *http.Request, body *watchedBody, patience time.Duration) (after func()) {
	// A sender that asked whether to send, and was not told to, sends nothing.
	if body.ended || r.Header.Get("Expect") != "" && !body.wanted {
		return func() {}
	}
	control := http.NewResponseController(w)
	// Without it the server reads a part of the body itself before the answer. An error means that there is nothing to linger for.
	if control.EnableFullDuplex() != nil {
		return func() {}
	}
	w.Header().Set("Connection", "close")
	return func() {
		if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(patience)) != nil {
			return
		}
		// The sender may be gone, or never end.
		_, _ = io.CopyN(io.Discard, body, lingerBytes)
	}
}
