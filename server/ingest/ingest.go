// Package ingest takes verified, decoded deliveries into the journal. It implements hookbridge.v1.IngestService, which is
// registered on the in-process channel only.
//
// What it promises: an answer without an error means that the event is on disk (or, on an external cluster, stored by its
// quorum), or was before. A request without proof of authenticity is refused as a defect of the bridge, not of the sender.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

// keepScratch is how much memory is kept from one delivery for the next.
const keepScratch = 64 << 10

// maxStoredData is the largest typed form that is stored beside the body; a larger one is made again when reading. It keeps a
// record of a 25 MB body below the journal's limit.
const maxStoredData = 4 << 20

// Config is what a Service needs.
type Config struct {
	Journal    journal.Journal
	Registerer prometheus.Registerer
}

// maxReceipts is how many events of a batch have their receipts in the answer.
const maxReceipts = 100

// Service implements hookbridge.v1.IngestService.
type Service struct {
	hookbridgev1.UnsafeIngestServiceServer

	journal journal.Journal
	metrics *metrics
	scratch sync.Pool // of *[]byte, what entries are encoded into
}

var _ hookbridgev1.IngestServiceServer = (*Service)(nil)

// New returns a service.
func New(cfg Config) (*Service, error) {
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Service{journal: cfg.Journal, metrics: m}, nil
}

// Ingest stores one verified delivery. It takes ownership of the request.
func (s *Service) Ingest(ctx context.Context, req *hookbridgev1.IngestRequest) (*hookbridgev1.IngestResponse, error) {
	event := req.GetEvent()
	if err := proven(req, req.GetSource()); err != nil {
		return nil, err
	}
	if err := enforce(req, ""); err != nil {
		s.metrics.count(event, outcomeRefused)
		return nil, err
	}
	var room *[]byte
	if room, _ = s.scratch.Get().(*[]byte); room == nil {
		room = new([]byte)
	}
	entry, err := entryOf(req, room)
	if err != nil {
		return nil, err
	}
	var receipt journal.Receipt
	err = s.store(ctx, req, func(ctx context.Context) (err error) {
		receipt, err = s.journal.Append(ctx, entry)
		return err
	})
	if cap(*room) <= keepScratch {
		s.scratch.Put(room)
	}
	if err != nil {
		s.metrics.count(event, outcomeOf(err))
		return nil, err
	}
	s.metrics.count(event, outcomeOfReceipt(receipt))
	return &hookbridgev1.IngestResponse{Id: event.GetId(), Sequence: receipt.Sequence, Duplicate: receipt.Duplicate}, nil
}

// proven refuses, as a defect of the bridge, what comes without proof of authenticity, or from another source.
func proven(req *hookbridgev1.IngestRequest, source string) error {
	if event := req.GetEvent(); event.GetAuth().GetScheme() == "" || event.GetSource() != source || req.GetSource() != source {
		return fmt.Errorf("ingest of source %q without proof of authenticity", source)
	}
	return nil
}

// enforce refuses what doesn't fit, on a source that says so. element is the place of the event in the delivery, "[3]" in a list.
func enforce(req *hookbridgev1.IngestRequest, element string) error {
	if req.GetValidation() != hookbridgev1.Validation_VALIDATION_ENFORCE {
		return nil
	}
	event := req.GetEvent()
	state := event.GetDecoding().GetState()
	violations := make([]fault.Violation, 0, len(event.GetDecoding().GetViolations()))
	for _, v := range event.GetDecoding().GetViolations() {
		violations = append(violations, fault.Violation{Field: within(element, v.GetField()), Message: v.GetMessage()})
	}
	what := "the body"
	if element != "" {
		what = "the event at " + element
	}
	switch {
	case req.GetNotJson():
		return fault.Invalid(fault.ErrNotJSON, what+" is not JSON", violations...)
	case state == hookbridgev1.Decoding_STATE_MISMATCH, state == hookbridgev1.Decoding_STATE_UNDECODABLE:
		return fault.Invalid(fault.ErrSchema, fmt.Sprintf("%s doesn't fit the schema of %q", what, event.GetType()), violations...)
	}
	return nil
}

// within is the path of a field of an element.
func within(element, field string) string {
	if element == "" || field == "" || field[0] == '[' {
		return element + field
	}
	return element + "." + field
}

// entryOf encodes the event as the journal keeps it, into room: the envelope with its data, and the content apart.
func entryOf(req *hookbridgev1.IngestRequest, room *[]byte) (*journal.Entry, error) {
	event := req.GetEvent()
	entry := &journal.Entry{
		Source:       event.GetSource(),
		Type:         event.GetType(),
		ID:           event.GetId(),
		BodyBytes:    int64(len(event.GetContent().GetBody())),
		DedupeWindow: -1,
		BodyKey:      bodyKey(event),
	}
	if w := req.GetDedupeWindow(); w != nil {
		entry.DedupeWindow = w.AsDuration()
	}
	encoded, err := proto.MarshalOptions{}.MarshalAppend((*room)[:0], event.GetContent())
	if err != nil {
		return nil, fmt.Errorf("encode the content of event %q: %w", event.GetId(), err)
	}
	content := len(encoded)
	event.Content = nil
	if len(event.GetData().GetValue()) > maxStoredData {
		event.Data, entry.DataDropped = nil, true
	}
	if encoded, err = (proto.MarshalOptions{}).MarshalAppend(encoded, event); err != nil {
		return nil, fmt.Errorf("encode event %q: %w", event.GetId(), err)
	}
	*room, entry.Content, entry.Event = encoded, encoded[:content:content], encoded[content:]
	return entry, nil
}

// store appends, and for a sender that doesn't retry goes on trying as long as the call may take: appending again under the same
// ids is safe.
func (s *Service) store(ctx context.Context, req *hookbridgev1.IngestRequest, attempt func(context.Context) error) error {
	failure := classify(attempt(ctx))
	if failure == nil || !passing(failure) || req.GetHoldUntil() == nil {
		return failure
	}
	// What counts is how the last attempt ended, not how the waiting did.
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		if failure = classify(attempt(ctx)); failure != nil && !passing(failure) {
			return struct{}{}, backoff.Permanent(failure)
		}
		return struct{}{}, failure
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()))
	return failure
}

// passing tells trouble that may pass.
func passing(err error) bool {
	return errors.Is(err, fault.ErrJournalFull) || errors.Is(err, fault.ErrJournalUnavailable)
}

// classify names the journal's errors as the sender is told them. An append that didn't answer in time is trouble of ours: the
// event may be stored, and the retry finds out.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull):
		return fault.Because(fault.ErrJournalFull, err)
	case errors.Is(err, journal.ErrTooLarge):
		return fmt.Errorf("%w: %w", fault.ErrBodyTooLarge, err)
	case errors.Is(err, journal.ErrClosed):
		return fmt.Errorf("%w: %w", fault.ErrShuttingDown, err)
	case errors.Is(err, journal.ErrUnavailable):
		return fault.Because(fault.ErrJournalUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", fault.ErrJournalUnavailable, err)
	default:
		return err
	}
}
