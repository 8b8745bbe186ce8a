package rejection

import (
	"fmt"
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

// unexamined says in an entry, and counts, that it isn't looked into though it should be.
func (l *Log) unexamined(it *item, why string) {
	if !diagnosable(it.entry.GetReason()) {
		return
	}
	l.metrics.unlooked.WithLabelValues(why).Inc()
	text := map[string]string{
		tooLarge:     fmt.Sprintf("the body is larger than the %d KiB up to which bodies are looked into", maxBody>>10),
		noRoom:       "too many refusals waited to be looked into at that time, and there was no room for its body",
		noTime:       "too many refusals came at that time, and the time for looking into them was used up",
		shuttingDown: "the bridge was shutting down",
	}[why]
	it.entry.Diagnoses = []*hookbridgev1.Diagnosis{{
		Kind: hookbridgev1.Diagnosis_KIND_NOT_EXAMINED, Message: "it was not looked into: " + text + ". All that is known is what the sender was told",
	}}
}

// findingOf is what entries have in common that are alike: what was found out, but for the times in it.
func findingOf(e *hookbridgev1.RefusedDelivery) string {
	var b strings.Builder
	for _, d := range e.GetDiagnoses() {
		b.WriteString(d.GetKind().String())
		if d.GetKind() != hookbridgev1.Diagnosis_KIND_CLOCK {
			b.WriteString(d.GetMessage())
		}
	}
	return b.String()
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
