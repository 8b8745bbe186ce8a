package rejection

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
)

const (
	// maxHeaders is how many names of headers are kept, maxText the longest text that a sender had a part in.
	maxHeaders = 64
	maxText    = 200
)

// entryOf is a refusal as it is written down, without what is found out later.
func entryOf(r *delivery.Refusal, alike int64) *hookbridgev1.RefusedDelivery {
	e := &hookbridgev1.RefusedDelivery{
		RequestId: r.RequestID,
		Time:      timestamppb.New(r.Time),
		Source:    r.Source,
		Peer:      printable(r.Peer),
		Status:    int32(r.Status),
		Reason:    r.Reason,
		Message:   strings.ToValidUTF8(r.Message, "?"),
		Alike:     alike,
		BodyBytes: r.BodyBytes,
	}
	if r.Request != nil {
		for name := range r.Request.Header {
			e.HeaderNames = append(e.HeaderNames, printable(name))
		}
		slices.Sort(e.HeaderNames)
		e.HeaderNames = e.HeaderNames[:min(len(e.HeaderNames), maxHeaders)]
	}
	return e
}

// printable is a text of a sender that can be shown.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}
