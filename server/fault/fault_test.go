package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Each sentinel has one row.
func TestOneRowEach(t *testing.T) {
	seen := map[error]bool{}
	for _, r := range table {
		if seen[r.is] {
			t.Errorf("%v has two rows", r.is)
		}
		seen[r.is] = true
	}
}

// What a sender sees, whole: status, Retry-After and body.
func TestWriteHTTP(t *testing.T) {
	const info = `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"%s","domain":"hookbridge"}`
	for _, tc := range []struct {
		name     string
		err      error
		override int
		status   int
		retry    string
		body     string
	}{
		{
			name:   "a row",
			err:    fmt.Errorf("source demo: %w", ErrSignatureMismatch),
			status: 401,
			body:   `{"code":16,"message":"the signature doesn't match the body under any of the source's secrets","details":[` + fmt.Sprintf(info, "SIGNATURE_MISMATCH") + `]}`,
		},
		{
			name:     "a provider that wants another status",
			err:      ErrSignatureMismatch,
			override: 403,
			status:   403,
			body:     `{"code":16,"message":"the signature doesn't match the body under any of the source's secrets","details":[` + fmt.Sprintf(info, "SIGNATURE_MISMATCH") + `]}`,
		},
		{
			name:   "trouble of our own tells when to come back, and no cause",
			err:    fmt.Errorf("%w: write /data/1.blk: no space left on device", ErrJournalFull),
			status: 503,
			retry:  "5",
			body: `{"code":14,"message":"there is no room to store the event; send it again","details":[` + fmt.Sprintf(info, "JOURNAL_FULL") +
				`,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"5s"}]}`,
		},
		{
			name:   "another time to come back",
			err:    RetryAfter(ErrRate, 1500*time.Millisecond),
			status: 429,
			retry:  "2",
			body: `{"code":8,"message":"the source is over its rate","details":[` + fmt.Sprintf(info, "RATE_EXCEEDED") +
				`,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]}`,
		},
		{
			name:   "a public text of its own",
			err:    Detail(ErrBodyTooLarge, "the body is larger than %d bytes", 1024),
			status: 413,
			body:   `{"code":3,"message":"the body is larger than 1024 bytes","details":[` + fmt.Sprintf(info, "BODY_TOO_LARGE") + `]}`,
		},
		{
			name:   "field violations",
			err:    Invalid(ErrSchema, "the body doesn't fit payment_succeeded", Violation{"object_id", "value is required"}),
			status: 422,
			body: `{"code":3,"message":"the body doesn't fit payment_succeeded","details":[` + fmt.Sprintf(info, "SCHEMA_VIOLATION") +
				`,{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"object_id","description":"value is required"}]}]}`,
		},
		{
			name:   "our defect says nothing but where to look",
			err:    errors.New("nil pointer in /srv/x.go with token hunter2"),
			status: 500,
			retry:  "5",
			body: `{"code":13,"message":"internal error; the log has the cause under request id r1","details":[` + fmt.Sprintf(info, "INTERNAL") +
				`,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"5s"}]}`,
		},
		{
			name:   "a cancelled call is no 4xx",
			err:    fmt.Errorf("append: %w", context.Canceled),
			status: 503,
			body:   `{"code":1,"message":"the caller went away"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Over the in-process channel an error arrives as a status; it must come out the same.
			for _, err := range []error{tc.err, Status(tc.err, "r1").Err()} {
				w := httptest.NewRecorder()
				WriteHTTP(w, err, "r1", tc.override)
				if w.Code != tc.status || w.Header().Get("Retry-After") != tc.retry || w.Body.String() != tc.body+"\n" {
					t.Errorf("got %d, Retry-After %q, %s\nwant %d, %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body, tc.status, tc.retry, tc.body)
				}
			}
		})
	}
}

// The log has every violation, with the place where it has one.
func TestInvalidForTheLog(t *testing.T) {
	err := Invalid(ErrSchema, "it doesn't fit", Violation{"object_id", "value is required"}, Violation{Message: "not JSON: empty"})
	if want := ErrSchema.Error() + ": it doesn't fit; object_id: value is required; not JSON: empty"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// A fault of which the cause says all has the fault's face outside, and the cause's alone in the log.
func TestBecause(t *testing.T) {
	cause := errors.New("journal is unavailable: disk on fire")
	for _, tc := range []struct {
		fault error
		text  string
	}{
		{ErrJournalUnavailable, "the event could not be stored; send it again"},
		{Detail(ErrJournalUnavailable, "try again"), "try again"},
	} {
		err := Because(tc.fault, cause)
		if err.Error() != cause.Error() || !errors.Is(err, cause) || !errors.Is(err, ErrJournalUnavailable) {
			t.Errorf("got %q", err)
		}
		if status, reason, text := Told(err); status != 503 || reason != "JOURNAL_UNAVAILABLE" || text != tc.text {
			t.Errorf("told %d %s %q", status, reason, text)
		}
	}
}

// What strangers get is written by hand, and is what protojson writes.
func TestStrangersGetTheSame(t *testing.T) {
	for _, r := range table {
		for _, err := range []error{r.is, Detail(r.is, "want X-A as \"sha256=<hex>\" & not \\ or ü\n")} {
			short, ok := strangersFace(err)
			if !ok {
				if r.retryAfter == 0 {
					t.Errorf("%v: no short form", err)
				}
				continue
			}
			if got, want := string(encodeShort(short)), string(encode(Status(err, ""))); got != want {
				t.Errorf("%v: got %s want %s", err, got, want)
			}
		}
	}
	for _, err := range []error{ErrSignatureMismatch, ErrJournalFull, errors.New("a defect"), Status(ErrSchema, "").Err(), context.Canceled} {
		status, reason, text := Told(err)
		if s := Status(err, ""); status != HTTPStatus(err) || reason != Reason(err) || text != s.Message() {
			t.Errorf("%v: told %d %s %s", err, status, reason, text)
		}
	}
}

// Every reason but INTERNAL has a row, and a reason's 4xx is never something the sender can't help.
func TestEveryReasonIsInTheTable(t *testing.T) {
	seen := map[hookbridgev1.ErrorReason]bool{
		hookbridgev1.ErrorReason_ERROR_REASON_UNSPECIFIED: true,
		hookbridgev1.ErrorReason_ERROR_REASON_INTERNAL:    true,
	}
	for _, r := range table {
		seen[r.reason] = true
		if r.code == codes.Unavailable && (r.http != 503 || r.retryAfter == 0) {
			t.Errorf("%v: our own trouble must be 503 with Retry-After, got %d and %v", r.is, r.http, r.retryAfter)
		}
	}
	for number, name := range hookbridgev1.ErrorReason_name {
		if !seen[hookbridgev1.ErrorReason(number)] {
			t.Errorf("%s has no row", name)
		}
	}
}
