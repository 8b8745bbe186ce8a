// Package fault is the one table of everything that a sender or a caller can be told went wrong: the gRPC code, the HTTP status,
// the reason and the public text of each, found by errors.Is.
//
// An error has two faces. The public one is the text of its row, or the more exact one given with Detail; it never holds a
// secret, a cause or anything that the sender doesn't know already. The private one is the whole chain, for the log. An error
// that no row knows is our own defect: it is answered as Internal with a text that says nothing but the request's id.
//
// A 4xx makes a provider drop the event for good, so only the sender's own fault is one. When the bridge is in trouble it is
// 503 with Retry-After.
package fault

import (
	"errors"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// The sentinels. The reasons in error_reason.proto say when each of them happens.
var (
	ErrUnknownSource       = errors.New("no such source")
	ErrSignatureMissing    = errors.New("signature missing")
	ErrSignatureMalformed  = errors.New("signature malformed")
	ErrSignatureMismatch   = errors.New("signature mismatch")
	ErrTimestamp           = errors.New("timestamp out of tolerance")
	ErrMethod              = errors.New("method not allowed")
	ErrMediaType           = errors.New("unsupported media type")
	ErrBodyTooLarge        = errors.New("body too large")
	ErrNotJSON             = errors.New("body is not JSON")
	ErrSchema              = errors.New("body does not fit the schema")
	ErrRate                = errors.New("rate exceeded")
	ErrJournalUnavailable  = errors.New("journal unavailable")
	ErrJournalFull         = errors.New("journal full")
	ErrOverloaded          = errors.New("too many bytes in flight")
	ErrShuttingDown        = errors.New("shutting down")
	ErrMalformedRequest    = errors.New("malformed request")
	ErrRequestTimeout      = errors.New("request took too long to arrive")
	ErrInvalidArgument     = errors.New("invalid argument")
	ErrEventNotFound       = errors.New("event not found")
	ErrSubscriptionUnknown = errors.New("subscription not found")
	ErrSubscriptionInUse   = errors.New("subscription conflict")
	ErrHandshakeRefused    = errors.New("handshake refused")
	ErrSubscriptionExists  = errors.New("subscription exists")
	ErrSubscriptionDeleted = errors.New("subscription deleted")
	ErrReplayRunning       = errors.New("replay running")
	ErrReplayUnknown       = errors.New("replay not found")
	ErrUnauthenticated     = errors.New("unauthenticated")
	ErrPermissionDenied    = errors.New("permission denied")
	ErrTooMany             = errors.New("too many subscriptions")
	ErrFilterUnusable      = errors.New("filter unusable")
	ErrKeyUnavailable      = errors.New("key unavailable")
	ErrHandshakeForbidden  = errors.New("handshake forbidden")
	ErrCaptureUnavailable  = errors.New("capture unavailable")
	ErrTooManyEvents       = errors.New("too many events")
)

// row is one line of the table.
type row struct {
	is         error
	reason     hookbridgev1.ErrorReason
	code       codes.Code
	http       int
	retryAfter time.Duration
	text       string
}

const (
	soon  = 1 * time.Second
	later = 5 * time.Second
)

// table is DESIGN's "what the sender is told", in the order of error_reason.proto.
var table = []row{
	{ErrUnknownSource, hookbridgev1.ErrorReason_ERROR_REASON_UNKNOWN_SOURCE, codes.NotFound, http.StatusNotFound, 0, "no source of this name is configured"},
	{ErrSignatureMissing, hookbridgev1.ErrorReason_ERROR_REASON_SIGNATURE_MISSING, codes.Unauthenticated, http.StatusUnauthorized, 0, "the delivery carries no signature"},
	{ErrSignatureMalformed, hookbridgev1.ErrorReason_ERROR_REASON_SIGNATURE_MALFORMED, codes.Unauthenticated, http.StatusUnauthorized, 0, "the signature can't be read"},
	{ErrSignatureMismatch, hookbridgev1.ErrorReason_ERROR_REASON_SIGNATURE_MISMATCH, codes.Unauthenticated, http.StatusUnauthorized, 0, "the signature doesn't match the body under any of the source's secrets"},
	{ErrTimestamp, hookbridgev1.ErrorReason_ERROR_REASON_TIMESTAMP_OUT_OF_TOLERANCE, codes.Unauthenticated, http.StatusUnauthorized, 0, "the signed timestamp is too far from now"},
	{ErrMethod, hookbridgev1.ErrorReason_ERROR_REASON_METHOD_NOT_ALLOWED, codes.Unimplemented, http.StatusMethodNotAllowed, 0, "the source doesn't take this method"},
	{ErrMediaType, hookbridgev1.ErrorReason_ERROR_REASON_UNSUPPORTED_MEDIA_TYPE, codes.InvalidArgument, http.StatusUnsupportedMediaType, 0, "the source doesn't take this media type or content encoding"},
	{ErrBodyTooLarge, hookbridgev1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE, codes.InvalidArgument, http.StatusRequestEntityTooLarge, 0, "the body is larger than the source takes"},
	{ErrNotJSON, hookbridgev1.ErrorReason_ERROR_REASON_BODY_NOT_JSON, codes.InvalidArgument, http.StatusBadRequest, 0, "the body is not JSON"},
	{ErrSchema, hookbridgev1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATION, codes.InvalidArgument, http.StatusUnprocessableEntity, 0, "the body doesn't fit the schema of its type"},
	{ErrRate, hookbridgev1.ErrorReason_ERROR_REASON_RATE_EXCEEDED, codes.ResourceExhausted, http.StatusTooManyRequests, soon, "the source is over its rate"},
	{ErrJournalUnavailable, hookbridgev1.ErrorReason_ERROR_REASON_JOURNAL_UNAVAILABLE, codes.Unavailable, http.StatusServiceUnavailable, later, "the event could not be stored; send it again"},
	{ErrJournalFull, hookbridgev1.ErrorReason_ERROR_REASON_JOURNAL_FULL, codes.Unavailable, http.StatusServiceUnavailable, later, "there is no room to store the event; send it again"},
	{ErrOverloaded, hookbridgev1.ErrorReason_ERROR_REASON_OVERLOADED, codes.Unavailable, http.StatusServiceUnavailable, soon, "too many deliveries are in flight; send it again"},
	{ErrShuttingDown, hookbridgev1.ErrorReason_ERROR_REASON_SHUTTING_DOWN, codes.Unavailable, http.StatusServiceUnavailable, soon, "the bridge is shutting down; send it again"},
	{ErrMalformedRequest, hookbridgev1.ErrorReason_ERROR_REASON_MALFORMED_REQUEST, codes.InvalidArgument, http.StatusBadRequest, 0, "the request could not be read"},
	{ErrRequestTimeout, hookbridgev1.ErrorReason_ERROR_REASON_MALFORMED_REQUEST, codes.DeadlineExceeded, http.StatusRequestTimeout, 0, "the request took too long to arrive"},
	{ErrInvalidArgument, hookbridgev1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, codes.InvalidArgument, http.StatusBadRequest, 0, "the request is invalid"},
	{ErrEventNotFound, hookbridgev1.ErrorReason_ERROR_REASON_EVENT_NOT_FOUND, codes.NotFound, http.StatusNotFound, 0, "there is no such event, or none any more"},
	{ErrSubscriptionUnknown, hookbridgev1.ErrorReason_ERROR_REASON_SUBSCRIPTION_NOT_FOUND, codes.NotFound, http.StatusNotFound, 0, "there is no subscription of this name"},
	{ErrSubscriptionInUse, hookbridgev1.ErrorReason_ERROR_REASON_SUBSCRIPTION_CONFLICT, codes.FailedPrecondition, http.StatusConflict, 0, "other members of the subscription are connected with other filters"},
	{ErrHandshakeRefused, hookbridgev1.ErrorReason_ERROR_REASON_HANDSHAKE_REFUSED, codes.InvalidArgument, http.StatusBadRequest, 0, "the handshake was refused"},
	{ErrSubscriptionExists, hookbridgev1.ErrorReason_ERROR_REASON_SUBSCRIPTION_EXISTS, codes.AlreadyExists, http.StatusConflict, 0, "there is a subscription of this name"},
	{ErrSubscriptionDeleted, hookbridgev1.ErrorReason_ERROR_REASON_SUBSCRIPTION_DELETED, codes.NotFound, http.StatusNotFound, 0, "the subscription was deleted"},
	{ErrReplayRunning, hookbridgev1.ErrorReason_ERROR_REASON_REPLAY_RUNNING, codes.FailedPrecondition, http.StatusConflict, 0, "the subscription has a replay that is running"},
	{ErrReplayUnknown, hookbridgev1.ErrorReason_ERROR_REASON_REPLAY_NOT_FOUND, codes.NotFound, http.StatusNotFound, 0, "the subscription has no replay"},
	{ErrUnauthenticated, hookbridgev1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, codes.Unauthenticated, http.StatusUnauthorized, 0, "a token or client certificate that is known here is required"},
	{ErrPermissionDenied, hookbridgev1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, codes.PermissionDenied, http.StatusForbidden, 0, "a grant is missing"},
	{ErrTooMany, hookbridgev1.ErrorReason_ERROR_REASON_TOO_MANY_SUBSCRIPTIONS, codes.ResourceExhausted, http.StatusTooManyRequests, 0, "there are as many subscriptions as the bridge takes"},
	{ErrHandshakeForbidden, hookbridgev1.ErrorReason_ERROR_REASON_HANDSHAKE_REFUSED, codes.PermissionDenied, http.StatusForbidden, 0, "the handshake was refused"},
	{ErrCaptureUnavailable, hookbridgev1.ErrorReason_ERROR_REASON_CAPTURE_UNAVAILABLE, codes.FailedPrecondition, http.StatusConflict, 0, "the source's secret can't be captured"},
	{ErrTooManyEvents, hookbridgev1.ErrorReason_ERROR_REASON_TOO_MANY_EVENTS, codes.InvalidArgument, http.StatusRequestEntityTooLarge, 0, "the delivery carries more events than are taken at once"},
	{ErrFilterUnusable, hookbridgev1.ErrorReason_ERROR_REASON_FILTER_UNUSABLE, codes.FailedPrecondition, http.StatusConflict, 0, "the subscription's filter doesn't fit the schema any more"},
	{ErrKeyUnavailable, hookbridgev1.ErrorReason_ERROR_REASON_KEY_UNAVAILABLE, codes.Unavailable, http.StatusServiceUnavailable, later, "the key that it is signed with can't be had from the provider yet; send it again"},
}

// internal is the row of what no other row knows.
var internal = row{nil, hookbridgev1.ErrorReason_ERROR_REASON_INTERNAL, codes.Internal, http.StatusInternalServerError, later, "internal error"}

// find returns the row of an error.
func find(err error) row {
	for _, r := range table {
		if errors.Is(err, r.is) {
			return r
		}
	}
	return internal
}

// Reason returns the reason of an error without its prefix, for example "SIGNATURE_MISMATCH".
func Reason(err error) string {
	if info := infoOf(err); info != nil {
		return info.GetReason()
	}
	return reasonName(find(err).reason)
}

// Internal reports whether an error is our own defect: no row knows it.
func Internal(err error) bool { return Reason(err) == reasonName(internal.reason) }

// Known reports whether an error is a status that this table made.
func Known(err error) bool { return infoOf(err) != nil }

// HTTPStatus returns the status that an error is answered with.
func HTTPStatus(err error) int {
	code, _ := httpOf(Status(err, ""))
	return code
}

func reasonName(r hookbridgev1.ErrorReason) string {
	const prefix = "ERROR_REASON_"
	return r.String()[len(prefix):]
}
