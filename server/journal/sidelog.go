package journal

import "context"

// SideLog is a bounded log beside the events, of entries that each belong to an owner: the dead letters of subscriptions. It takes
// payloads as they are, and knows nothing of what is in them.
//
// An entry's id is its place in the log. Ids grow, those of all owners together, and none is ever given twice. Where an owner is
// asked for, "" stands for all of them.
//
// All methods are safe for concurrent use. Every wait ends with its context. Errors beside those that are named: ErrUnavailable,
// ErrClosed, or the context's.
type SideLog interface {
	// Add stores entries, all in one commit, and returns their ids, in the same order, when they are on disk. The entries' own
	// ids are ignored. What has an error may be stored in part, and once more when it is added again; nothing of it is where the error is
	// ErrRefused too. A full log takes nothing and removes nothing to make room: ErrFull, as when the disk is, and ErrRefused. An entry
	// is at most MaxRecord large, with about a hundred bytes of framing: ErrTooLarge.
	Add(ctx context.Context, entries ...SideEntry) (ids []int64, err error)
	// Read returns the next entries of an owner at or after q.From. It doesn't wait: at the end it returns an empty page. Only
	// what is on disk is ever read.
	Read(ctx context.Context, q SideQuery) (SidePage, error)
	// Get returns one entry; ErrNotFound.
	Get(ctx context.Context, id int64) (SideEntry, error)
	// Count says what is stored, for each owner that has something. It asks the store, which takes longer the more owners there are.
	// It may count what an Add that is running stores.
	Count(ctx context.Context) (SideCount, error)

	// Remove removes entries of an owner, and returns how many there were; ids of others, and of entries that are not there, are passed
	// over. It is durable when answered. What has an error may be removed in part, and the rest of it when the journal is opened next.
	// Removing takes room: on a disk that has none nothing is removed, and the error is ErrFull.
	Remove(ctx context.Context, owner string, ids ...int64) (int, error)
	// Erase is Remove, and overwrites what was stored. See Journal.Erase for what that means. It costs a rewrite of up to 8 MiB for
	// each entry, and is refused with ErrFull where there may be no room for that.
	Erase(ctx context.Context, owner string, ids ...int64) (int, error)
	// Purge removes everything of one owner that is there when it is called, as Remove does, and returns how many entries that were.
	Purge(ctx context.Context, owner string) (int, error)

	// Hide makes entries be as if they were removed to Read, Get and Count, until they are or the journal is closed: where something must
	// not be seen any more and a full disk leaves no room to remove it. They still take up what they did. Ids of entries that are not there
	// are passed over. Whoever hides entries removes them when there is room, and has noted, on disk, that they are to go.
	Hide(ctx context.Context, ids ...int64) error

	// Status describes the log's health; nil when it takes entries, ErrFull while what it refused last would be refused again.
	Status() error
}

// SideEntry is an entry of a side log.
type SideEntry struct {
	// ID is given by the log.
	ID int64
	// Owner is whom the entry belongs to, not empty.
	Owner string
	// Payload is what is stored. What was read must not be changed.
	Payload []byte
}

// SideQuery says what SideLog.Read returns.
type SideQuery struct {
	// Owner is whose entries are returned; empty for all.
	Owner string
	// From is the first id to look at.
	From int64
	// MaxEntries and MaxBytes bound the answer; at least one entry is returned if there is one. 0 means 1,024 entries and 4 MiB; at
	// most 16,384 and 8 MiB.
	MaxEntries int
	MaxBytes   int
}

// SidePage is what SideLog.Read found: the entries in the order of their ids, and Next, the id to go on from. What is in [From, Next)
// and not among Entries is another owner's, or was removed.
type SidePage struct {
	Entries []SideEntry
	Next    int64
}

// SideCount is what a side log holds.
type SideCount struct {
	// Entries is how many there are, Bytes what they occupy.
	Entries, Bytes int64
	// ByOwner is how many there are of each owner that has some.
	ByOwner map[string]int64
}
