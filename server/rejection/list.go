package rejection

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/journal"
)

const (
	defaultPage, mostPage = 100, 1000
	// pageBytes keeps an answer below what clients take.
	pageBytes = 2 << 20
	// rounds bounds how often the store is asked for one page.
	rounds = 16
	// disorder is how far entries may be out of the order of their times: those that count a flood come after it, and clocks of several
	// bridges differ.
	disorder = 5 * time.Minute
)

// List returns what was written down, the newest first. A page may have less than was asked for, and more after it all the same.
func (l *Log) List(ctx context.Context, req *hookbridgev1.ListRejectionsRequest) (*hookbridgev1.ListRejectionsResponse, error) {
	before, err := parseToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	resp := &hookbridgev1.ListRejectionsResponse{}
	if before == 0 {
		resp.Counted = l.sampler.counted(req.GetSource())
	}
	left, size := defaultPage, pageBytes
	if n := int(req.GetPageSize()); n > 0 {
		left = min(n, mostPage)
	}
	for range rounds {
		page, err := l.cfg.Store.Before(ctx, journal.RingQuery{Owner: req.GetSource(), Before: before, MaxEntries: left, MaxBytes: size})
		if err != nil {
			return nil, storeError(ctx, err)
		}
		for _, e := range page.Entries {
			entry, err := decode(e.Payload)
			if err != nil {
				// A bridge of another version in the same cluster wrote it. The others are still of use.
				l.cfg.Logger.ErrorContext(ctx, "a rejection can't be read and is left out", "rejection", e.ID, "error", err)
				continue
			}
			if since := req.GetSince(); since != nil {
				age := since.AsTime().Sub(entry.GetTime().AsTime())
				if age > disorder {
					return resp, nil
				}
				if age > 0 {
					continue
				}
			}
			resp.Rejections = append(resp.Rejections, entry)
			left, size = left-1, size-len(e.Payload)
		}
		if page.Next == 0 {
			return resp, nil
		}
		if before = page.Next; left <= 0 || size <= 0 {
			break
		}
	}
	resp.NextPageToken = strconv.FormatInt(before, 10)
	return resp, nil
}

func storeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, journal.ErrUnavailable) || errors.Is(err, journal.ErrClosed) {
		return fault.Because(fault.Detail(fault.ErrJournalUnavailable, "the rejection log can't be read now"), err)
	}
	return err
}

func decode(payload []byte) (*hookbridgev1.RefusedDelivery, error) {
	stored := &storagev1.StoredRejection{}
	if err := proto.Unmarshal(payload, stored); err != nil {
		return nil, err
	}
	if f := stored.GetFormat(); f < 1 || f > format {
		return nil, fmt.Errorf("stored in format %d; this version reads 1 to %d", f, format)
	}
	return stored.GetRejection(), nil
}

// parseToken returns the place in a page token; 0 for an empty one.
func parseToken(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	before, err := strconv.ParseInt(token, 10, 64)
	if err != nil || before < 1 || strconv.FormatInt(before, 10) != token {
		const text = "is not one that was returned as next_page_token"
		return 0, fault.Invalid(fault.ErrInvalidArgument, "page_token "+text, fault.Violation{Field: "page_token", Message: text})
	}
	return before, nil
}
