package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Domain is the domain of every ErrorInfo.
const Domain = "hookbridge"

// Status returns the public face of an error as a gRPC status: nil for nil, the status itself for one that already is one, and
// Canceled or DeadlineExceeded for the context's own errors. requestID is named in the text of internal errors, so that the
// log line can be found.
func Status(err error, requestID string) *status.Status {
	if err == nil {
		return nil
	}
	var has interface{ GRPCStatus() *status.Status }
	if errors.As(err, &has) {
		return has.GRPCStatus()
	}
	f := faceOf(err, requestID)
	if f.row.is == nil {
		switch {
		case errors.Is(err, context.Canceled):
			return status.New(codes.Canceled, "the caller went away")
		case errors.Is(err, context.DeadlineExceeded):
			return status.New(codes.DeadlineExceeded, "the call took longer than its deadline")
		}
	}
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: reasonName(f.row.reason), Domain: Domain})}
	for _, violations := range f.violations {
		bad := &errdetails.BadRequest{}
		for _, v := range violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Message})
		}
		details = append(details, protoadapt.MessageV1Of(bad))
	}
	if f.after > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.after)}))
	}
	s := status.New(f.row.code, f.text)
	if withDetails, err := s.WithDetails(details...); err == nil {
		s = withDetails
	}
	return s
}

// face is the public side of an error.
type face struct {
	row        row
	text       string
	after      time.Duration
	violations [][]Violation
}

// faceOf returns the face of an error that is no status.
func faceOf(err error, requestID string) face {
	r := find(err)
	f := face{row: r, text: r.text, after: r.retryAfter}
	if r.is == nil && requestID != "" {
		f.text = fmt.Sprintf("%s; the log has the cause under request id %s", f.text, requestID)
	}
	var d *detailed
	for next := err; errors.As(next, &d); next = d.error {
		if d.text != "" {
			f.text = d.text
		}
		if d.retryAfter > 0 {
			f.after = d.retryAfter
		}
		if len(d.violations) > 0 {
			f.violations = append(f.violations, d.violations)
		}
	}
	return f
}

// Told returns the HTTP status, the reason and the text that an error is answered with.
func Told(err error) (status int, reason, text string) {
	if f, ok := strangersFace(err); ok {
		return f.row.http, reasonName(f.row.reason), f.text
	}
	s := Status(err, "")
	status, _ = httpOf(s)
	return status, Reason(err), s.Message()
}

// strangersFace is the face of an error that is in the table and has nothing but a reason and a text: what those get whose deliveries
// are forged. A flood of them is worth no reflection.
func strangersFace(err error) (face, bool) {
	var has interface{ GRPCStatus() *status.Status }
	if err == nil || errors.As(err, &has) {
		return face{}, false
	}
	f := faceOf(err, "")
	return f, f.row.is != nil && f.after == 0 && len(f.violations) == 0
}

// WriteHTTP answers a request with the public face of an error: its HTTP status, Retry-After where trying again helps, and the
// google.rpc.Status as JSON. status overrides the table's where it isn't 0, for providers that want another one.
func WriteHTTP(w http.ResponseWriter, err error, requestID string, override int) {
	var body []byte
	code, after := 0, time.Duration(0)
	if f, ok := strangersFace(err); ok {
		code, body = f.row.http, encodeShort(f)
	} else {
		s := Status(err, requestID)
		code, after = httpOf(s)
		body = encode(s)
	}
	if override != 0 {
		code = override
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	// The sender may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// encodeShort writes what encode writes of the face's status.
func encodeShort(f face) []byte {
	var text bytes.Buffer
	quoted := json.NewEncoder(&text)
	quoted.SetEscapeHTML(false)
	// A text can always be encoded.
	_ = quoted.Encode(f.text)
	const format = `{"code":%d,"message":%s,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"%s","domain":"%s"}]}` + "\n"
	return fmt.Appendf(nil, format, int(f.row.code), bytes.TrimSuffix(text.Bytes(), []byte("\n")), reasonName(f.row.reason), Domain)
}

// encode writes a status as JSON without the spaces that protojson puts in at random.
func encode(s *status.Status) []byte {
	loose, err := protojson.Marshal(s.Proto())
	if err != nil {
		loose = []byte(`{"code":13,"message":"internal error"}`)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, loose); err != nil {
		return loose
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// infoOf returns the ErrorInfo of a status that the table made; nil for anything else.
func infoOf(err error) *errdetails.ErrorInfo {
	var has interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &has) {
		return nil
	}
	for _, d := range has.GRPCStatus().Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return info
		}
	}
	return nil
}

// httpOf finds the HTTP status and the retry delay of a status, by its reason; by its code where it has none.
func httpOf(s *status.Status) (int, time.Duration) {
	code, after := byCode(s.Code()), time.Duration(0)
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			code = byReason(d.GetReason(), code, s.Code())
		case *errdetails.RetryInfo:
			after = d.GetRetryDelay().AsDuration()
		}
	}
	return code, after
}

func byReason(reason string, otherwise int, code codes.Code) int {
	value, ok := hookbridgev1.ErrorReason_value["ERROR_REASON_"+strings.ToUpper(reason)]
	if !ok {
		return otherwise
	}
	for _, r := range table {
		if r.reason == hookbridgev1.ErrorReason(value) && r.code == code {
			return r.http
		}
	}
	return otherwise
}

// byCode is for statuses that didn't come out of the table. A cancelled or late call is answered 503: the sender may still be
// there, and its event is not stored for certain.
func byCode(c codes.Code) int {
	switch c {
	case codes.InvalidArgument, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.NotFound:
		return http.StatusNotFound
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
