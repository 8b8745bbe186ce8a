package edge

import (
	"net/http"
	"strconv"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/provider"
)

// writeAnswer answers a handshake, or a delivery whose provider is particular about it.
func writeAnswer(w http.ResponseWriter, a *provider.Answer) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	h.Del("Content-Type")
	if a.ContentType != "" {
		h.Set("Content-Type", a.ContentType)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	if a.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	if len(a.Body) > 0 {
		// The provider may be gone; it will ask again.
		_, _ = w.Write(a.Body)
	}
}

// replying is a writer that drops the receipt where the provider is answered something else.
type replying struct {
	http.ResponseWriter
	choose func(duplicate bool) *provider.Answer
	answer *provider.Answer
}

var _ delivery.Told = (*replying)(nil)

// Stored chooses the answer.
func (r *replying) Stored(duplicate bool) { r.answer = r.choose(duplicate) }

// WriteHeader passes the receipt's status on, unless there is an answer instead of it.
func (r *replying) WriteHeader(status int) {
	if r.answer == nil {
		r.ResponseWriter.WriteHeader(status)
	}
}

// Write passes the receipt on, unless there is an answer instead of it.
func (r *replying) Write(b []byte) (int, error) {
	if r.answer == nil {
		return r.ResponseWriter.Write(b)
	}
	return len(b), nil
}

// refusalFace is what a provider wants to see of a refusal for its signature.
type refusalFace struct {
	// status replaces the table's where it isn't 0.
	status int
	empty  bool
}

// of is the status that an error is answered with.
func (f refusalFace) of(err error) int {
	if f.status != 0 {
		return f.status
	}
	return fault.HTTPStatus(err)
}

// write refuses.
func (f refusalFace) write(w http.ResponseWriter, err error, requestID string) {
	if !f.empty {
		fault.WriteHTTP(w, err, requestID, f.status)
		return
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(f.of(err))
}
