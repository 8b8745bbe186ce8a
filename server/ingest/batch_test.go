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
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// batcher is a journal of which only AppendBatch is used.
type batcher struct {
	journal.Journal
	calls [][]*journal.Entry
	fail  func(attempt int) error
	// partly is how many of the entries are stored by a call that fails; calls after that find them.
	partly int
}

// AppendBatch stores what has no "known" in its id.
func (b *batcher) AppendBatch(_ context.Context, entries []*journal.Entry) ([]journal.Receipt, error) {
	var kept []*journal.Entry
	var receipts []journal.Receipt
	for n, e := range entries {
		c := *e
		c.Event, c.Content = bytes.Clone(e.Event), bytes.Clone(e.Content)
		kept = append(kept, &c)
		there := len(b.calls) > 0 && n < b.partly
		receipts = append(receipts, journal.Receipt{Sequence: int64(n + 1), Duplicate: there || strings.Contains(e.ID, "known")})
	}
	b.calls = append(b.calls, kept)
	if b.fail != nil {
		if err := b.fail(len(b.calls)); err != nil {
			clear(receipts[b.partly:])
			return receipts, err
		}
	}
	return receipts, nil
}

func batchOf(ids ...string) *hookbridgev1.IngestBatchRequest {
	batch := &hookbridgev1.IngestBatchRequest{Source: "demo"}
	for n, id := range ids {
		r := request()
		r.Event.Id, r.Event.Batch = id, &hookbridgev1.Batch{Index: int32(n), Size: int32(len(ids))}
		batch.Requests = append(batch.Requests, r)
	}
	return batch
}

func openBatch(t *testing.T, b *batcher) *Service {
	t.Helper()
	s, err := New(Config{Journal: b})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// All events are stored by one call, in their order, and each has its receipt.
func TestBatchIsStored(t *testing.T) {
	b := &batcher{}
	s := openBatch(t, b)
	got, err := s.IngestBatch(t.Context(), batchOf("1", "known-2", "3"))
	if err != nil {
		t.Fatal(err)
	}
	want := &hookbridgev1.IngestBatchResponse{Total: 3, Duplicates: 1, Events: []*hookbridgev1.IngestResponse{
		{Id: "1", Sequence: 1}, {Id: "known-2", Sequence: 2, Duplicate: true}, {Id: "3", Sequence: 3},
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	if len(b.calls) != 1 || len(b.calls[0]) != 3 || b.calls[0][2].ID != "3" || b.calls[0][0].BodyBytes != 7 {
		t.Errorf("calls %+v", b.calls)
	}
	for outcome, n := range map[string]float64{outcomeStored: 2, outcomeDuplicate: 1} {
		if got := testutil.ToFloat64(s.metrics.events.WithLabelValues("demo", "user_created", "typed", outcome)); got != n {
			t.Errorf("%s: counted %v, want %v", outcome, got, n)
		}
	}
}

// The receipt of a large batch has the first hundred, and the counts of all.
func TestReceiptOfALargeBatch(t *testing.T) {
	var ids []string
	for n := range 250 {
		ids = append(ids, fmt.Sprint("known-", n))
	}
	got, err := openBatch(t, &batcher{}).IngestBatch(t.Context(), batchOf(ids...))
	if err != nil || len(got.GetEvents()) != 100 || got.GetEvents()[99].GetId() != "known-99" || got.GetTotal() != 250 || got.GetDuplicates() != 250 {
		t.Errorf("%d receipts of %d, %d duplicates, %v", len(got.GetEvents()), got.GetTotal(), got.GetDuplicates(), err)
	}
	if got, err := openBatch(t, &batcher{}).IngestBatch(t.Context(), batchOf()); err != nil || got.GetTotal() != 0 || len(got.GetEvents()) != 0 {
		t.Errorf("an empty one: %v, %v", got, err)
	}
}

// One that doesn't fit refuses all of them, by its position, and so does one without proof.
func TestBatchIsRefusedAsAWhole(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*hookbridgev1.IngestRequest)
		reason string
		text   string
	}{
		{"a mismatch", func(r *hookbridgev1.IngestRequest) {
			r.Event.Decoding = &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_MISMATCH, Violations: []*hookbridgev1.Violation{{Field: "a.b", Message: "want string"}, {Field: "[2]", Message: "x"}, {Message: "whole"}}}
		}, "SCHEMA_VIOLATION", `body does not fit the schema: the event at [1] doesn't fit the schema of "user_created"; [1].a.b: want string; [1][2]: x; [1]: whole`},
		{"no JSON", func(r *hookbridgev1.IngestRequest) { r.NotJson = true }, "BODY_NOT_JSON", "body is not JSON: the event at [1] is not JSON"},
		{"no proof", func(r *hookbridgev1.IngestRequest) { r.Event.Auth = nil }, "INTERNAL", `ingest of source "demo" without proof of authenticity`},
		{"another source", func(r *hookbridgev1.IngestRequest) { r.Source = "other" }, "INTERNAL", `ingest of source "demo" without proof of authenticity`},
		{"another source in the event", func(r *hookbridgev1.IngestRequest) { r.Event.Source = "other" }, "INTERNAL", `ingest of source "demo" without proof of authenticity`},
	} {
		b := &batcher{}
		batch := batchOf("1", "2", "3")
		for _, r := range batch.GetRequests() {
			r.Validation = hookbridgev1.Validation_VALIDATION_ENFORCE
		}
		tc.change(batch.GetRequests()[1])
		_, err := openBatch(t, b).IngestBatch(t.Context(), batch)
		if got := fault.Reason(err); got != tc.reason || err.Error() != tc.text {
			t.Errorf("%s: got %s, %v, want %s", tc.name, got, err, tc.text)
		}
		if b.calls != nil {
			t.Errorf("%s: %d calls of the journal", tc.name, len(b.calls))
		}
	}
}

// A batch waits for a journal in trouble as a single event does, and is appended whole again.
func TestBatchIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b := &batcher{fail: func(attempt int) error {
			if attempt < 3 {
				return journal.ErrUnavailable
			}
			return nil
		}}
		batch := batchOf("1", "2")
		for _, r := range batch.GetRequests() {
			r.HoldUntil = timestamppb.New(time.Now().Add(time.Minute))
		}
		if got, err := openBatch(t, b).IngestBatch(ctx, batch); err != nil || got.GetTotal() != 2 || len(b.calls) != 3 || len(b.calls[2]) != 2 {
			t.Errorf("%v, %v after %d calls", got, err, len(b.calls))
		}
		b = &batcher{fail: func(int) error { return journal.ErrFull }}
		if _, err := openBatch(t, b).IngestBatch(ctx, batchOf("1")); !errors.Is(err, fault.ErrJournalFull) || len(b.calls) != 1 {
			t.Errorf("not held: %v after %d calls", err, len(b.calls))
		}
	})
}

// Of a batch that is stored in part, each event counts as what became of it; what an earlier attempt stored is no duplicate.
func TestPartOfABatchIsCounted(t *testing.T) {
	unavailable := func(upTo int) func(int) error {
		return func(attempt int) error {
			if attempt <= upTo {
				return journal.ErrUnavailable
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name       string
		fail       func(int) error
		hold       bool
		reason     string
		duplicates int32
		counts     map[string]float64
	}{
		{"it fails", unavailable(1), false, "JOURNAL_UNAVAILABLE", 0, map[string]float64{outcomeStored: 1, outcomeDuplicate: 1, outcomeUnavailable: 2}},
		{"it is full", func(int) error { return journal.ErrFull }, false, "JOURNAL_FULL", 0, map[string]float64{outcomeStored: 1, outcomeDuplicate: 1, outcomeFull: 2}},
		{"a later attempt stores the rest", unavailable(2), true, "", 1, map[string]float64{outcomeStored: 3, outcomeDuplicate: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s := openBatch(t, &batcher{fail: tc.fail, partly: 2})
				batch := batchOf("1", "known-2", "3", "4")
				if tc.hold {
					batch.Requests[0].HoldUntil = timestamppb.New(time.Now().Add(time.Minute))
				}
				got, err := s.IngestBatch(ctx, batch)
				if reason := fault.Reason(err); err != nil && reason != tc.reason || (err != nil) != (tc.reason != "") || got.GetDuplicates() != tc.duplicates {
					t.Errorf("got %v, %v, want %s and %d duplicates", got, err, tc.reason, tc.duplicates)
				}
				for _, outcome := range []string{outcomeStored, outcomeDuplicate, outcomeRefused, outcomeFull, outcomeUnavailable, outcomeFailed} {
					if n := testutil.ToFloat64(s.metrics.events.WithLabelValues("demo", "user_created", "typed", outcome)); n != tc.counts[outcome] {
						t.Errorf("%s: counted %v, want %v", outcome, n, tc.counts[outcome])
					}
				}
			})
		})
	}
}

// A body has a key where the proof covers it and neither id nor time.
func TestBodyKeys(t *testing.T) {
	event := func(change func(*hookbridgev1.Event)) string {
		e := &hookbridgev1.Event{
			Auth:    &hookbridgev1.Authenticity{Scheme: "hmac-sha256", BodyCovered: true},
			Content: &hookbridgev1.Content{Body: []byte(`{"a":1}`)},
		}
		change(e)
		return bodyKey(e)
	}
	plain := event(func(*hookbridgev1.Event) {})
	if len(plain) != bodyKeyBytes {
		t.Fatalf("the key has %d bytes", len(plain))
	}
	element := event(func(e *hookbridgev1.Event) { e.Batch = &hookbridgev1.Batch{Size: 2} })
	for _, tc := range []struct {
		name   string
		change func(*hookbridgev1.Event)
		want   string
	}{
		{"the body not covered", func(e *hookbridgev1.Event) { e.Auth.BodyCovered = false }, ""},
		{"the id covered", func(e *hookbridgev1.Event) { e.Auth.IdCovered = true }, ""},
		{"the time covered", func(e *hookbridgev1.Event) { e.Auth.TimeCovered = true }, ""},
		{"the type covered", func(e *hookbridgev1.Event) { e.Auth.TypeCovered = true }, plain},
		{"another id and type", func(e *hookbridgev1.Event) { e.Id, e.Type = "x", "y" }, plain},
		{"the same place in another list", func(e *hookbridgev1.Event) { e.Batch = &hookbridgev1.Batch{Size: 3} }, element},
	} {
		if got := event(tc.change); got != tc.want {
			t.Errorf("%s: %x, want %x", tc.name, got, tc.want)
		}
	}
	other := event(func(e *hookbridgev1.Event) { e.Content.Body = []byte(`{"a":2}`) })
	next := event(func(e *hookbridgev1.Event) { e.Batch = &hookbridgev1.Batch{Index: 1, Size: 2} })
	if other == plain || element == plain || next == element {
		t.Errorf("different bodies have the same key")
	}
}
