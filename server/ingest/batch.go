package ingest

import (
	"context"
	"fmt"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
)

// IngestBatch stores the events of one verified delivery. It takes ownership of the request. Nothing is stored unless all of them may
// be; after an error of the journal some may be stored, and the sender's retry adds the rest.
func (s *Service) IngestBatch(ctx context.Context, req *hookbridgev1.IngestBatchRequest) (*hookbridgev1.IngestBatchResponse, error) {
	requests := req.GetRequests()
	for _, r := range requests {
		if err := proven(r, req.GetSource()); err != nil {
			return nil, err
		}
	}
	for n, r := range requests {
		if err := enforce(r, fmt.Sprintf("[%d]", n)); err != nil {
			for _, r := range requests {
				s.metrics.count(r.GetEvent(), outcomeRefused)
			}
			return nil, err
		}
	}
	if len(requests) == 0 {
		return &hookbridgev1.IngestBatchResponse{}, nil
	}
	entries := make([]*journal.Entry, len(requests))
	for n, r := range requests {
		var err error
		if entries[n], err = entryOf(r, new([]byte)); err != nil {
			return nil, err
		}
	}
	var receipts []journal.Receipt
	err := s.store(ctx, requests[0], func(ctx context.Context) (err error) {
		receipts, err = s.journal.AppendBatch(ctx, entries)
		return err
	})
	if err != nil {
		for _, r := range requests {
			s.metrics.count(r.GetEvent(), outcomeOf(err))
		}
		return nil, err
	}
	return s.answer(requests, receipts), nil
}

// answer counts what was stored and makes the receipt.
func (s *Service) answer(requests []*hookbridgev1.IngestRequest, receipts []journal.Receipt) *hookbridgev1.IngestBatchResponse {
	response := &hookbridgev1.IngestBatchResponse{Total: int32(len(requests))}
	for n, r := range receipts {
		event := requests[n].GetEvent()
		s.metrics.count(event, outcomeOfReceipt(r))
		if r.Duplicate {
			response.Duplicates++
		}
		if n < maxReceipts {
			response.Events = append(response.Events, &hookbridgev1.IngestResponse{Id: event.GetId(), Sequence: r.Sequence, Duplicate: r.Duplicate})
		}
	}
	return response
}
