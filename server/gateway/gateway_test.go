package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// service records what reaches the other end of the channel.
type service struct {
	hookbridgev1.UnsafeIngestServiceServer
	got      *hookbridgev1.IngestRequest
	metadata metadata.MD
	response *hookbridgev1.IngestResponse
	batch    *hookbridgev1.IngestBatchRequest
	receipts *hookbridgev1.IngestBatchResponse
	err      error
}

func (s *service) Ingest(ctx context.Context, req *hookbridgev1.IngestRequest) (*hookbridgev1.IngestResponse, error) {
	s.got = req
	s.metadata, _ = metadata.FromIncomingContext(ctx)
	return s.response, s.err
}

func (s *service) IngestBatch(_ context.Context, req *hookbridgev1.IngestBatchRequest) (*hookbridgev1.IngestBatchResponse, error) {
	s.batch = req
	return s.receipts, s.err
}

func open(t *testing.T, s *service) *Gateway {
	t.Helper()
	channel := &inprocgrpc.Channel{}
	hookbridgev1.RegisterIngestServiceServer(channel, s)
	g, err := New(Config{Ingest: channel, Decode: decode})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// decode is a schema that knows nothing: every document is a Struct, or no JSON.
func decode(_, _ string, document []byte) (*anypb.Any, *hookbridgev1.Decoding, bool) {
	data := &structpb.Struct{}
	if err := data.UnmarshalJSON(document); err != nil {
		return nil, &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNDECODABLE}, true
	}
	packed, err := anypb.New(data)
	if err != nil {
		return nil, nil, false
	}
	return packed, &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNTYPED}, false
}

func verified() *delivery.Verified {
	return &delivery.Verified{
		Source: "demo", Provider: "hmac", ID: "d-1", DedupeWindow: 5 * time.Minute, Type: "user_created",
		OccurredAt: time.Unix(1700000000, 0), ReceivedAt: time.Unix(1700000001, 0), OrderingKey: "user/42",
		Body: []byte(`payload={"a":1}`), Document: []byte(`{"a":1}`), ContentType: "application/x-www-form-urlencoded",
		Header:    []delivery.Field{{Name: "X-Delivery-Id", Value: "d-1"}},
		Auth:      delivery.Auth{Scheme: "hmac-sha256", Secret: 1, BodyCovered: true},
		Enforce:   true,
		HoldUntil: time.Unix(1700000009, 0),
	}
}

// one is a delivery that is one event.
func one(v *delivery.Verified) *delivery.Delivery {
	return &delivery.Delivery{Source: v.Source, Events: []*delivery.Verified{v}}
}

// Everything that the edge knows arrives at ingest, and the receipt goes out as one line of JSON with all its fields.
func TestDeliveryBecomesACall(t *testing.T) {
	s := &service{response: &hookbridgev1.IngestResponse{Id: "d-1", Sequence: 7}}
	g := open(t, s)
	w := httptest.NewRecorder()
	ctx := requestid.With(t.Context(), "r-1")
	if err := g.ServeDelivery(ctx, w, one(verified())); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK || w.Body.String() != `{"id":"d-1","sequence":"7","duplicate":false}`+"\n" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	data, err := anypb.New(&structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1)}})
	if err != nil {
		t.Fatal(err)
	}
	want := &hookbridgev1.IngestRequest{
		Source:       "demo",
		Validation:   hookbridgev1.Validation_VALIDATION_ENFORCE,
		DedupeWindow: durationpb.New(5 * time.Minute),
		HoldUntil:    timestamppb.New(time.Unix(1700000009, 0)),
		Event: &hookbridgev1.Event{
			Id: "d-1", Source: "demo", Provider: "hmac", Type: "user_created", OrderingKey: "user/42",
			OccurredAt: timestamppb.New(time.Unix(1700000000, 0)),
			ReceivedAt: timestamppb.New(time.Unix(1700000001, 0)),
			Data:       data,
			Decoding:   &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNTYPED},
			Auth:       &hookbridgev1.Authenticity{Scheme: "hmac-sha256", Secret: 1, BodyCovered: true},
			Content: &hookbridgev1.Content{
				Body: []byte(`payload={"a":1}`), ContentType: "application/x-www-form-urlencoded",
				Headers: []*hookbridgev1.Header{{Name: "X-Delivery-Id", Value: "d-1"}},
			},
		},
	}
	if diff := cmp.Diff(want, s.got, protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if len(s.metadata) != 0 {
		t.Errorf("metadata %v, want none", s.metadata)
	}
}

// What has no document by design is untyped and not decoded; what has none otherwise is not JSON.
func TestDeliveryWithoutDocument(t *testing.T) {
	for byDesign, want := range map[bool]hookbridgev1.Decoding_State{true: hookbridgev1.Decoding_STATE_UNTYPED, false: hookbridgev1.Decoding_STATE_UNDECODABLE} {
		s := &service{response: &hookbridgev1.IngestResponse{Id: "d-1", Sequence: 7}}
		v := verified()
		v.Body, v.Document, v.NoDocument = []byte("a=1"), nil, byDesign
		if err := open(t, s).ServeDelivery(t.Context(), httptest.NewRecorder(), one(v)); err != nil {
			t.Fatal(err)
		}
		if e := s.got.GetEvent(); e.GetDecoding().GetState() != want || len(e.GetDecoding().GetViolations()) != 0 || e.Data != nil || s.got.GetNotJson() == byDesign || string(e.GetContent().GetBody()) != "a=1" {
			t.Errorf("by design %v: got %v", byDesign, s.got)
		}
	}
}

// A receipt is what protojson writes, whatever is in the id.
func TestReceipts(t *testing.T) {
	for _, tc := range []struct {
		receipt *hookbridgev1.IngestResponse
		want    string
	}{
		{&hookbridgev1.IngestResponse{}, `{"id":"","sequence":"0","duplicate":false}`},
		{&hookbridgev1.IngestResponse{Id: "a-1 <&>", Sequence: math.MaxInt64, Duplicate: true}, `{"id":"a-1 <&>","sequence":"9223372036854775807","duplicate":true}`},
		{&hookbridgev1.IngestResponse{Id: `a"b\c`, Sequence: 1}, `{"id":"a\"b\\c","sequence":"1","duplicate":false}`},
		{&hookbridgev1.IngestResponse{Id: "é\x7f", Sequence: 1}, "{\"id\":\"é\x7f\",\"sequence\":\"1\",\"duplicate\":false}"},
	} {
		got, err := marshaler{}.Marshal(tc.receipt)
		if err != nil || string(got) != tc.want+"\n" {
			t.Errorf("got %s, %v, want %s", got, err, tc.want)
		}
	}
}

// An error of the call comes back as the error that it was, and nothing has been written.
func TestErrorsComeBack(t *testing.T) {
	for _, tc := range []struct {
		name, reason string
		err          error
		status       int
	}{
		{"a fault of the sender", "SCHEMA_VIOLATION", fault.Status(fault.ErrSchema, "").Err(), 422},
		{"trouble of ours", "JOURNAL_FULL", fault.Status(fault.ErrJournalFull, "").Err(), 503},
		{"a call that was cut off is no fault of the sender", "JOURNAL_UNAVAILABLE", status.Error(codes.Canceled, "gone"), 503},
		{"nor is one that took too long", "JOURNAL_UNAVAILABLE", status.Error(codes.DeadlineExceeded, "late"), 503},
		{"a status that the table didn't make is our defect", "INTERNAL", status.Error(codes.InvalidArgument, "some runtime"), 500},
		{"an error without status is our defect", "INTERNAL", errors.New("boom"), 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := open(t, &service{err: tc.err})
			w := httptest.NewRecorder()
			err := g.ServeDelivery(t.Context(), w, one(verified()))
			if got := fault.Reason(err); got != tc.reason {
				t.Errorf("reason %s, want %s (%v)", got, tc.reason, err)
			}
			if w.Body.Len() != 0 {
				t.Errorf("the gateway wrote %q", w.Body)
			}
			fault.WriteHTTP(w, err, "", 0)
			if w.Code != tc.status {
				t.Errorf("status %d, want %d", w.Code, tc.status)
			}
		})
	}
}

// A request that doesn't carry a verified delivery reaches no service, whatever its headers say, and is no 4xx.
func TestOnlyVerifiedDeliveriesAreDecoded(t *testing.T) {
	for _, contentType := range []string{"", "application/json", "application/x-hookbridge-delivery"} {
		s := &service{response: &hookbridgev1.IngestResponse{}}
		g := open(t, s)
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", strings.NewReader(`{"source":"demo","event":{"id":"1","auth":{"scheme":"none"}}}`))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Grpc-Metadata-Hookbridge-Request-Id", "forged")
		w := httptest.NewRecorder()
		g.mux.ServeHTTP(w, r)
		if s.got != nil {
			t.Fatalf("content type %q: a forged request reached the service: %v", contentType, s.got)
		}
		if w.Code != http.StatusInternalServerError {
			t.Errorf("content type %q: status %d, want 500", contentType, w.Code)
		}
	}
	if n, err := (&carrier{}).Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("a carrier has bytes: %d, %v", n, err)
	}
}

// While large documents use up the decoding budget, the next one waits for its request's time and is then told to come back.
func TestLargeDocumentsAreDecodedWithinABudget(t *testing.T) {
	g := open(t, &service{response: &hookbridgev1.IngestResponse{}})
	if !g.large.TryAcquire(decodeBudget) {
		t.Fatal("the budget is not whole")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := verified()
	v.Document = make([]byte, largeDocument+1)
	err := g.ServeDelivery(ctx, httptest.NewRecorder(), one(v))
	if got := fault.Reason(err); got != "OVERLOADED" {
		t.Errorf("reason %s, want OVERLOADED (%v)", got, err)
	}
}

// told is a writer that is told what was stored before it gets the receipt.
type told struct {
	*httptest.ResponseRecorder
	calls []bool
}

func (t *told) Stored(duplicate bool) {
	if t.Body.Len() > 0 {
		duplicate = false
	}
	t.calls = append(t.calls, duplicate)
}

// A list becomes one call with all of its events, and its receipt is one line of JSON.
func TestListBecomesACall(t *testing.T) {
	s := &service{receipts: &hookbridgev1.IngestBatchResponse{
		Events: []*hookbridgev1.IngestResponse{{Id: "1", Sequence: 7}, {Id: "2", Sequence: 3, Duplicate: true}}, Total: 2, Duplicates: 1,
	}}
	g := open(t, s)
	d := &delivery.Delivery{Source: "demo", List: true}
	for n := range 2 {
		v := verified()
		v.Index, v.Size, v.Body, v.Document = n, 2, []byte(`{"a":1}`), []byte(`{"a":1}`)
		d.Events = append(d.Events, v)
	}
	w := httptest.NewRecorder()
	if err := g.ServeDelivery(t.Context(), w, d); err != nil {
		t.Fatal(err)
	}
	const want = `{"events":[{"id":"1","sequence":"7","duplicate":false},{"id":"2","sequence":"3","duplicate":true}],"total":2,"duplicates":1}` + "\n"
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if s.batch.GetSource() != "demo" || len(s.batch.GetRequests()) != 2 {
		t.Fatalf("got %v", s.batch)
	}
	for n, r := range s.batch.GetRequests() {
		if b := r.GetEvent().GetBatch(); r.GetSource() != "demo" || int(b.GetIndex()) != n || b.GetSize() != 2 || r.GetEvent().GetDecoding().GetState() != hookbridgev1.Decoding_STATE_UNTYPED ||
			string(r.GetEvent().GetContent().GetBody()) != `{"a":1}` || r.GetValidation() != hookbridgev1.Validation_VALIDATION_ENFORCE {
			t.Errorf("request %d: %v", n, r)
		}
	}
	s.receipts = &hookbridgev1.IngestBatchResponse{}
	w = httptest.NewRecorder()
	if err := g.ServeDelivery(t.Context(), w, &delivery.Delivery{Source: "demo", List: true}); err != nil || w.Body.String() != `{"events":[],"total":0,"duplicates":0}`+"\n" {
		t.Errorf("an empty list: %s, %v", w.Body, err)
	}
}

// Who wants to know whether anything was new is told before the receipt.
func TestStoredIsTold(t *testing.T) {
	for _, tc := range []struct {
		name    string
		service *service
		list    bool
		want    []bool
	}{
		{"new", &service{response: &hookbridgev1.IngestResponse{}}, false, []bool{false}},
		{"a duplicate", &service{response: &hookbridgev1.IngestResponse{Duplicate: true}}, false, []bool{true}},
		{"some new", &service{receipts: &hookbridgev1.IngestBatchResponse{Total: 2, Duplicates: 1}}, true, []bool{false}},
		{"none new", &service{receipts: &hookbridgev1.IngestBatchResponse{Total: 2, Duplicates: 2}}, true, []bool{true}},
		{"none at all", &service{receipts: &hookbridgev1.IngestBatchResponse{}}, true, []bool{false}},
		{"refused", &service{err: fault.Status(fault.ErrJournalFull, "").Err()}, false, nil},
	} {
		d := one(verified())
		d.List = tc.list
		w := &told{ResponseRecorder: httptest.NewRecorder()}
		if err := open(t, tc.service).ServeDelivery(t.Context(), w, d); (err != nil) != (tc.service.err != nil) {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if fmt.Sprint(w.calls) != fmt.Sprint(tc.want) {
			t.Errorf("%s: told %v, want %v", tc.name, w.calls, tc.want)
		}
	}
}
