package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// appender is a journal of which only Append is used.
type appender struct {
	journal.Journal
	got     []*journal.Entry
	outcome func(attempt int) (journal.Receipt, error)
}

func (a *appender) Append(_ context.Context, e *journal.Entry) (journal.Receipt, error) {
	kept := *e
	kept.Event, kept.Content = bytes.Clone(e.Event), bytes.Clone(e.Content)
	a.got = append(a.got, &kept)
	return a.outcome(len(a.got))
}

func always(r journal.Receipt, err error) func(int) (journal.Receipt, error) {
	return func(int) (journal.Receipt, error) { return r, err }
}

func open(t *testing.T, a *appender) (*Service, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	s, err := New(Config{Journal: a, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	return s, reg
}

func request() *hookbridgev1.IngestRequest {
	return &hookbridgev1.IngestRequest{
		Source: "demo",
		Event: &hookbridgev1.Event{
			Id: "d-1", Source: "demo", Provider: "hmac", Type: "user_created",
			Data:     &anypb.Any{TypeUrl: "type.googleapis.com/x", Value: []byte{8, 1}},
			Decoding: &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_TYPED},
			Auth:     &hookbridgev1.Authenticity{Scheme: "hmac-sha256"},
			Content:  &hookbridgev1.Content{Body: []byte(`{"a":1}`), ContentType: "application/json"},
		},
	}
}

// The event is stored without its content, the content beside it, and the receipt names what the journal said.
func TestStored(t *testing.T) {
	for _, tc := range []struct {
		name    string
		receipt journal.Receipt
		window  *durationpb.Duration
		want    time.Duration
	}{
		{"new", journal.Receipt{Sequence: 7}, nil, -1},
		{"a duplicate gets the first one's receipt", journal.Receipt{Sequence: 3, Duplicate: true}, durationpb.New(5 * time.Minute), 5 * time.Minute},
		{"an id that never counts", journal.Receipt{Sequence: 9}, durationpb.New(0), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := &appender{outcome: always(tc.receipt, nil)}
			s, _ := open(t, a)
			req := request()
			req.DedupeWindow = tc.window
			resp, err := s.Ingest(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			want := &hookbridgev1.IngestResponse{Id: "d-1", Sequence: tc.receipt.Sequence, Duplicate: tc.receipt.Duplicate}
			if diff := cmp.Diff(want, resp, protocmp.Transform()); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			entry := a.got[0]
			var event hookbridgev1.Event
			var content hookbridgev1.Content
			if err := errors.Join(proto.Unmarshal(entry.Event, &event), proto.Unmarshal(entry.Content, &content)); err != nil {
				t.Fatal(err)
			}
			original := request().Event
			if diff := cmp.Diff(original.Content, &content, protocmp.Transform()); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
			original.Content = nil
			if diff := cmp.Diff(original, &event, protocmp.Transform()); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if entry.Source != "demo" || entry.Type != "user_created" || entry.ID != "d-1" || entry.BodyBytes != 7 || entry.DedupeWindow != tc.want || entry.DataDropped {
				t.Errorf("entry %+v", entry)
			}
		})
	}
}

// A typed form that would push a record over the journal's limit is left out; it can be made again from the body.
func TestLargeDataIsLeftOut(t *testing.T) {
	a := &appender{outcome: always(journal.Receipt{Sequence: 1}, nil)}
	s, _ := open(t, a)
	req := request()
	req.Event.Data.Value = make([]byte, maxStoredData+1)
	if _, err := s.Ingest(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if !a.got[0].DataDropped || len(a.got[0].Event) > 1024 {
		t.Errorf("dropped %v, %d bytes stored", a.got[0].DataDropped, len(a.got[0].Event))
	}
}

// What was not verified is not stored, and that is our defect, not the sender's.
func TestNothingUnverifiedIsStored(t *testing.T) {
	for name, spoil := range map[string]func(*hookbridgev1.IngestRequest){
		"no proof":       func(r *hookbridgev1.IngestRequest) { r.Event.Auth = nil },
		"empty proof":    func(r *hookbridgev1.IngestRequest) { r.Event.Auth.Scheme = "" },
		"another source": func(r *hookbridgev1.IngestRequest) { r.Source = "other" },
		"no event":       func(r *hookbridgev1.IngestRequest) { r.Event = nil },
	} {
		t.Run(name, func(t *testing.T) {
			a := &appender{outcome: always(journal.Receipt{}, nil)}
			s, _ := open(t, a)
			req := request()
			spoil(req)
			_, err := s.Ingest(t.Context(), req)
			if fault.Reason(err) != "INTERNAL" || len(a.got) != 0 {
				t.Errorf("got %v, %d entries", err, len(a.got))
			}
		})
	}
}

// Enforcing refuses what doesn't fit and stores what does, or what there is nothing to hold it to.
func TestEnforce(t *testing.T) {
	for _, tc := range []struct {
		name    string
		state   hookbridgev1.Decoding_State
		notJSON bool
		reason  string
		status  int
	}{
		{"typed", hookbridgev1.Decoding_STATE_TYPED, false, "", 0},
		{"no message for the type", hookbridgev1.Decoding_STATE_UNTYPED, false, "", 0},
		{"mismatch", hookbridgev1.Decoding_STATE_MISMATCH, false, "SCHEMA_VIOLATION", 422},
		{"JSON that no Struct can hold", hookbridgev1.Decoding_STATE_UNDECODABLE, false, "SCHEMA_VIOLATION", 422},
		{"not JSON", hookbridgev1.Decoding_STATE_UNDECODABLE, true, "BODY_NOT_JSON", 400},
	} {
		for _, enforce := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, enforce %v", tc.name, enforce), func(t *testing.T) {
				a := &appender{outcome: always(journal.Receipt{Sequence: 1}, nil)}
				s, _ := open(t, a)
				req := request()
				req.Event.Decoding = &hookbridgev1.Decoding{State: tc.state, Violations: []*hookbridgev1.Violation{{Field: "object_id", Message: "value is required"}}}
				req.NotJson = tc.notJSON
				if enforce {
					req.Validation = hookbridgev1.Validation_VALIDATION_ENFORCE
				}
				_, err := s.Ingest(t.Context(), req)
				if !enforce || tc.reason == "" {
					if err != nil || len(a.got) != 1 {
						t.Errorf("got %v, %d entries; want it stored", err, len(a.got))
					}
					return
				}
				if fault.Reason(err) != tc.reason || fault.HTTPStatus(err) != tc.status || len(a.got) != 0 {
					t.Errorf("got %v with status %d, %d entries", err, fault.HTTPStatus(err), len(a.got))
				}
				if !strings.Contains(err.Error(), "object_id: value is required") {
					t.Errorf("the violation is not named: %v", err)
				}
			})
		}
	}
}

// The journal's errors become the sender's answers.
func TestJournalErrors(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason string
		status int
	}{
		{fmt.Errorf("%w: max_bytes", journal.ErrFull), "JOURNAL_FULL", 503},
		{fmt.Errorf("%w: write", journal.ErrUnavailable), "JOURNAL_UNAVAILABLE", 503},
		{journal.ErrClosed, "SHUTTING_DOWN", 503},
		{journal.ErrTooLarge, "BODY_TOO_LARGE", 413},
		{context.DeadlineExceeded, "JOURNAL_UNAVAILABLE", 503},
		{errors.New("nobody knows"), "INTERNAL", 500},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			s, _ := open(t, &appender{outcome: always(journal.Receipt{}, tc.err)})
			_, err := s.Ingest(t.Context(), request())
			if fault.Reason(err) != tc.reason || fault.HTTPStatus(err) != tc.status {
				t.Errorf("got %v, %d", fault.Reason(err), fault.HTTPStatus(err))
			}
		})
	}
}

// A sender that doesn't retry is held while the journal is in trouble, until it recovers or the time is up.
func TestHold(t *testing.T) {
	for _, tc := range []struct {
		name     string
		recovers int
		hold     time.Duration
		reason   string
	}{
		{"recovers on the third attempt", 3, 9 * time.Second, ""},
		{"doesn't recover in time", 1000, 9 * time.Second, "JOURNAL_FULL"},
		{"isn't held", 2, 0, "JOURNAL_FULL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &appender{outcome: func(attempt int) (journal.Receipt, error) {
					if attempt >= tc.recovers {
						return journal.Receipt{Sequence: 4}, nil
					}
					return journal.Receipt{}, journal.ErrFull
				}}
				s, _ := open(t, a)
				req, ctx := request(), t.Context()
				if tc.hold > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.hold)
					defer cancel()
					req.HoldUntil = timestamppb.New(time.Now().Add(tc.hold))
				}
				started := time.Now()
				resp, err := s.Ingest(ctx, req)
				if tc.reason == "" {
					if err != nil || resp.GetSequence() != 4 || len(a.got) != tc.recovers {
						t.Errorf("got %v, %v after %d attempts", resp, err, len(a.got))
					}
					return
				}
				if fault.Reason(err) != tc.reason {
					t.Errorf("got %v, want %s", err, tc.reason)
				}
				if took := time.Since(started); took > tc.hold {
					t.Errorf("held for %v, want at most %v", took, tc.hold)
				}
			})
		})
	}
}

// What came in is counted by source, type, decoding and outcome; types that a sender invents don't make labels.
func TestMetrics(t *testing.T) {
	a := &appender{outcome: func(attempt int) (journal.Receipt, error) {
		return journal.Receipt{Sequence: 1, Duplicate: attempt > 1}, nil
	}}
	s, reg := open(t, a)
	for _, change := range []func(*hookbridgev1.Event){
		func(*hookbridgev1.Event) {},
		func(*hookbridgev1.Event) {},
		func(e *hookbridgev1.Event) {
			e.Type, e.Decoding.State = "made-up-by-the-sender", hookbridgev1.Decoding_STATE_UNTYPED
		},
	} {
		req := request()
		change(req.Event)
		if _, err := s.Ingest(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	want := `
# HELP hookbridge_events_total Verified deliveries by source, event type, decoding state and outcome (stored, duplicate, refused, journal_full, journal_unavailable, failed). Types beyond the first 500, and types without a message, count as other.
# TYPE hookbridge_events_total counter
hookbridge_events_total{decoding="typed",outcome="duplicate",source="demo",type="user_created"} 1
hookbridge_events_total{decoding="typed",outcome="stored",source="demo",type="user_created"} 1
hookbridge_events_total{decoding="untyped",outcome="duplicate",source="demo",type="other"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
