package server

import (
	"mime"
	"net/http"

	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// maxChange bounds the body of a change: ten thousand ids have room in it.
const maxChange = 1 << 20

// changes lets a request that changes something through only if no page of another site can have made it. A browser sends what a form
// can send (a POST of text) to any address without asking, so a body has to be application/json, for which it asks first and gets no
// answer; and where it says where it comes from, that has to be here. A DELETE, which it asks about too, needs no body.
func changes(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := origin.Check(r); err != nil {
			writeText(w, http.StatusForbidden, "this listener doesn't answer to pages of other sites\n")
			return
		}
		if r.Method != http.MethodDelete || r.ContentLength != 0 {
			if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				fault.WriteHTTP(w, fault.Detail(fault.ErrMediaType, "a change wants Content-Type: application/json"), requestid.From(r.Context()), 0)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxChange)
		next.ServeHTTP(w, r)
	})
}
