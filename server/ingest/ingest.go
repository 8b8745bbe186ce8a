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
	if event.GetAuth().GetScheme() == "" || event.GetSource() != req.GetSource() {
		return nil, fmt.Errorf("ingest of source %q without proof of authenticity", req.GetSource())
	}
	if err := enforce(req); err != nil {
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
	receipt, err := s.store(ctx, entry, req)
	if cap(*room) <= keepScratch {
		s.scratch.Put(room)
	}
	if err != nil {
		s.metrics.count(event, outcomeOf(err))
		return nil, err
	}
	outcome := outcomeStored
	if receipt.Duplicate {
		outcome = outcomeDuplicate
	}
	s.metrics.count(event, outcome)
	return &hookbridgev1.IngestResponse{Id: event.GetId(), Sequence: receipt.Sequence, Duplicate: receipt.Duplicate}, nil
}

// enforce refuses what doesn't fit, on a source that says so.
func enforce(req *hookbridgev1.IngestRequest) error {
	if req.GetValidation() != hookbridgev1.Validation_VALIDATION_ENFORCE {
		return nil
	}
	event := req.GetEvent()
	state := event.GetDecoding().GetState()
	violations := make([]fault.Violation, 0, len(event.GetDecoding().GetViolations()))
	for _, v := range event.GetDecoding().GetViolations() {
		violations = append(violations, fault.Violation{Field: v.GetField(), Message: v.GetMessage()})
	}
	switch {
	case req.GetNotJson():
		return fault.Invalid(fault.ErrNotJSON, "the body is not JSON", violations...)
	case state == hookbridgev1.Decoding_STATE_MISMATCH, state == hookbridgev1.Decoding_STATE_UNDECODABLE:
		return fault.Invalid(fault.ErrSchema, fmt.Sprintf("the body doesn't fit the schema of %q", event.GetType()), violations...)
	}
	return nil
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
// id is safe.
func (s *Service) store(ctx context.Context, entry *journal.Entry, req *hookbridgev1.IngestRequest) (journal.Receipt, error) {
	var receipt journal.Receipt
	var failure error
	attempt := func() (struct{}, error) {
		receipt, failure = s.journal.Append(ctx, entry)
		if failure = classify(failure); failure != nil && !passing(failure) {
			return struct{}{}, backoff.Permanent(failure)
		}
		return struct{}{}, failure
	}
	_, _ = attempt()
	if failure == nil || !passing(failure) || req.GetHoldUntil() == nil {
		return receipt, failure
	}
	// What counts is how the last attempt ended, not how the waiting did.
	_, _ = backoff.Retry(ctx, attempt, backoff.WithBackOff(backoff.NewExponentialBackOff()))
	return receipt, failure
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
		return fmt.Errorf("%w: %w", fault.ErrJournalFull, err)
	case errors.Is(err, journal.ErrTooLarge):
		return fmt.Errorf("%w: %w", fault.ErrBodyTooLarge, err)
	case errors.Is(err, journal.ErrClosed):
		return fmt.Errorf("%w: %w", fault.ErrShuttingDown, err)
	case errors.Is(err, journal.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", fault.ErrJournalUnavailable, err)
	default:
		return err
	}
}
