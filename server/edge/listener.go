package edge

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	// longestHead is how long the head of a request may take, and maxHead its size in bytes.
	longestHead = 10 * time.Second
	maxHead     = 64 << 10
	// longestAnswer bounds how long a delivery is worked at once it is read, whatever time its provider gives.
	longestAnswer = 30 * time.Second
	// slack is for writing an answer: a sender that doesn't read it is cut off.
	slack = 10 * time.Second
	// idle is how long a connection is kept for the next delivery.
	idle = 2 * time.Minute
)

// Server returns the HTTP server for providers. readTimeout is how long a request may take to arrive, head and body. There is nothing
// that a peer can make wait for ever: head, body, answer and idleness have deadlines.
func (h *Handler) Server(readTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(longestHead, readTimeout),
		ReadTimeout:       readTimeout,
		WriteTimeout:      readTimeout + longestAnswer + slack,
		IdleTimeout:       idle,
		MaxHeaderBytes:    maxHead,
		// "OPTIONS *" gets the same answer as everything else that is no source.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(h.cfg.Logger.Handler(), slog.LevelDebug),
	}
}
