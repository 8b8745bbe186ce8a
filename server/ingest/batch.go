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
	receipts := make([]journal.Receipt, len(entries))
	err := s.store(ctx, requests[0], func(ctx context.Context) error {
		got, err := s.journal.AppendBatch(ctx, entries)
		for n, r := range got {
			// What an earlier attempt stored is no duplicate because this one found it.
			if receipts[n].Sequence == 0 {
				receipts[n] = r
			}
		}
		return err
	})
	s.countAll(requests, receipts, err)
	if err != nil {
		return nil, err
	}
	return answer(requests, receipts), nil
}

// countAll counts what became of each event. Those that have a receipt are stored, also where the delivery as a whole has an error.
func (s *Service) countAll(requests []*hookbridgev1.IngestRequest, receipts []journal.Receipt, err error) {
	for n, r := range receipts {
		outcome := outcomeOfReceipt(r)
		if r.Sequence == 0 {
			outcome = outcomeOf(err)
		}
		s.metrics.count(requests[n].GetEvent(), outcome)
	}
}

// answer makes the receipt.
func answer(requests []*hookbridgev1.IngestRequest, receipts []journal.Receipt) *hookbridgev1.IngestBatchResponse {
	response := &hookbridgev1.IngestBatchResponse{Total: int32(len(requests))}
	for n, r := range receipts {
		event := requests[n].GetEvent()
		if r.Duplicate {
			response.Duplicates++
		}
		if n < maxReceipts {
			response.Events = append(response.Events, &hookbridgev1.IngestResponse{Id: event.GetId(), Sequence: r.Sequence, Duplicate: r.Duplicate})
		}
	}
	return response
}
