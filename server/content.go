package server

import (
	"errors"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/auth"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// contentHandler answers with the body of an event, byte for byte. It is what a stranger sent: a browser must neither show nor
// run it, so it comes as a download of no particular type, with the original's in a header of its own.
func contentHandler(events journal.Journal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := contentOf(r, events)
		if err != nil {
			fault.WriteHTTP(w, err, requestid.From(r.Context()), 0)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", "attachment")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Original-Content-Type", content.GetContentType())
		h.Set("Content-Length", strconv.Itoa(len(content.GetBody())))
		// The caller may be gone; there is nobody to tell.
		_, _ = w.Write(content.GetBody())
	})
}

func contentOf(r *http.Request, events journal.Journal) (*hookbridgev1.Content, error) {
	sequence, ok := sequenceOf(r.PathValue("sequence"))
	if !ok {
		return nil, fault.Detail(fault.ErrInvalidArgument, "sequence: want a positive number, got %q", r.PathValue("sequence"))
	}
	stored, err := events.Get(r.Context(), sequence)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil, fault.ErrEventNotFound
	case err != nil:
		return nil, fault.Because(fault.ErrJournalUnavailable, err)
	}
	if !auth.From(r.Context()).MayRead(stored.Source, stored.Type) {
		return nil, fault.ErrEventNotFound
	}
	encoded, err := stored.Content()
	if err != nil {
		return nil, err
	}
	content := &hookbridgev1.Content{}
	return content, proto.Unmarshal(encoded, content)
}
