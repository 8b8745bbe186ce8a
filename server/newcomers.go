package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// newcomers are the connections of an HTTP server on which nothing was asked yet: opened in advance, or by somebody who says nothing.
type newcomers struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// follow is told by the server what its connections do.
func (n *newcomers) follow(c net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state != http.StateNew {
		delete(n.conns, c)
		return
	}
	if n.conns == nil {
		n.conns = map[net.Conn]struct{}{}
	}
	n.conns[c] = struct{}{}
}

// close closes them.
func (n *newcomers) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		_ = c.Close() // nobody is told anything
	}
}

// web is an HTTP server that can be shut down within bounds.
type web struct {
	*http.Server
	newcomers newcomers
}

func newWeb(s *http.Server, follow func(net.Conn, http.ConnState)) *web {
	w := &web{Server: s}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		w.newcomers.follow(c, state)
		follow(c, state)
	}
	return w
}

// welcome is how long a connection that was just opened has to ask something while the server shuts down. net/http would wait for it
// five seconds.
const welcome = time.Second

// finish lets the requests that run end, and cuts off what is left when the context ends; that is its error.
func (w *web) finish(ctx context.Context) error {
	timer := time.AfterFunc(welcome, w.newcomers.close)
	defer timer.Stop()
	if err := w.Shutdown(ctx); err != nil {
		return errors.Join(err, w.Close())
	}
	return nil
}
