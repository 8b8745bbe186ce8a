package journal

import "context"

// RingLog is a bounded log beside the events in which the oldest entries make room for new ones. It takes payloads as they are, and
// knows nothing of what is in them.
//
// An entry's id is its place in the log. Ids grow, and none is given twice. Nothing that is in the log is promised to stay: it is
// removed by size and age, and a machine that loses power loses what it had not written yet.
//
// All methods are safe for concurrent use. Every wait ends with its context. Errors: ErrUnavailable, ErrClosed, ErrTooLarge, or the
// context's; of Add also ErrFull, when the disk is.
type RingLog interface {
	// Add stores an entry and returns its id when the log took it. It is not synced then. The payload is not kept.
	Add(ctx context.Context, owner string, payload []byte) (id int64, err error)
	// Before returns the newest entries before a place.
	Before(ctx context.Context, q RingQuery) (RingPage, error)
}

// RingQuery says what RingLog.Before returns.
type RingQuery struct {
	// Owner is whose entries are returned; empty for all. What was added without an owner is found only among all.
	Owner string
	// Before is the id before which to look; 0 for the newest.
	Before int64
	// MaxEntries and MaxBytes bound the answer; at least one entry is returned if one was found. 0 means 100 entries and 2 MiB; at most
	// 1,024 and 8 MiB.
	MaxEntries int
	MaxBytes   int
}

// RingPage is what RingLog.Before found: the entries, the newest first, and Next, the id to go on before; 0 where there is nothing
// more. A page of one owner may be empty and have a Next all the same: an answer looks at a bounded part of the log.
type RingPage struct {
	Entries []SideEntry
	Next    int64
}
