package journal

import (
	"context"
	"errors"
	"time"
)

// MaxRecord is the largest record that the journal stores, in bytes: an event with its compressed content, or a record of
// PutRecords, each with about a hundred bytes of framing.
const MaxRecord = 32 << 20

// Errors that callers tell apart with errors.Is. Each wraps its cause.
var (
	// ErrFull means that there is no room: max_bytes is reached and nothing may go, or the disk has less than min_free.
	ErrFull = errors.New("journal is full")
	// ErrUnavailable means that the store can't be reached, can't write or didn't answer in time. What was being appended may
	// or may not be stored; appending it again under the same id is safe.
	ErrUnavailable = errors.New("journal is unavailable")
	// ErrClosed means that Close was called.
	ErrClosed = errors.New("journal is closed")
	// ErrNotFound means that there is no such event, or entry, or none any more.
	ErrNotFound = errors.New("not found")
	// ErrTooLarge means that an entry exceeds the largest record, MaxRecord.
	ErrTooLarge = errors.New("event is too large for the journal")
	// ErrRefused means, beside what else an error means, that the call came to nothing: nothing of it was written, nor ever will be.
	ErrRefused = errors.New("refused")
)

// Entry is an event to be stored.
type Entry struct {
	Source, Type, ID string
	// Event is an encoded hookbridge.v1.Event without sequence and content; DataDropped says that its data is left out too.
	Event       []byte
	DataDropped bool
	// Content is an encoded hookbridge.v1.Content, BodyBytes the length of its body.
	Content   []byte
	BodyBytes int64
	// DedupeWindow is for how long the id counts: 0 never, negative the journal's window.
	DedupeWindow time.Duration
	// BodyKey names the body, as a digest of it, where the same body under another id is suspicious; empty where it is not. It counts
	// within its source, for as long as the id does.
	BodyKey string
}

// Receipt says where an event is. What it names is on disk.
type Receipt struct {
	Sequence  int64
	Duplicate bool
}

// Stored is an event read back. Its slices must not be changed; they are shared between readers.
type Stored struct {
	Sequence         int64
	Source, Type, ID string
	// Time is when the journal took it, never before the time of the sequence before it.
	Time time.Time
	// ReplayOf is the sequence of the first event of the source with this event's BodyKey within the window, 0 if there was none.
	ReplayOf int64
	// Event is the encoded hookbridge.v1.Event without sequence and content.
	Event       []byte
	DataDropped bool
	BodyBytes   int64
	content     content
}

// Bounds is the range of what can be read: First <= sequence < End. First == End means that the journal is empty.
type Bounds struct{ First, End int64 }

// Query says what Read returns.
type Query struct {
	// From is the first sequence to look at.
	From int64
	// MaxEvents and MaxBytes bound the answer; at least one event is returned if there is one.
	MaxEvents int
	MaxBytes  int
	// Sources and Types narrow the answer where the store can do so cheaply. They are a hint: what doesn't match may still be
	// returned. Exact names, or with "*" for any run of characters; empty means all.
	Sources, Types []string
}

// Page is what Read found: the events in order, and Next, the sequence to go on from. Everything in [From, Next) was looked
// at; what of it is not among Events doesn't match, was erased, or was removed by retention (compare with Bounds.First).
type Page struct {
	Events []*Stored
	Next   int64
}

// Holds tells retention what subscriptions still need, as sequences: everything before is needed by nobody. HoldAll is the
// lowest position of the subscriptions that hold everything back (hold: all). Zero means no such subscription.
type Holds struct{ Bounded, All int64 }

// Journal is a durable, ordered log of events with an index of their ids, a small store of records and a log of dead letters beside
// it.
//
// All methods are safe for concurrent use. Every wait ends with its context.
type Journal interface {
	// Append stores an entry and returns when it is on disk. Entries that are appended concurrently share a commit. An entry
	// whose (source, id) is known within its window is not stored again: it returns the first one's receipt, marked, as soon
	// as that one is on disk. The entry is not kept after Append has returned. Errors: ErrFull, ErrUnavailable, ErrTooLarge, ErrClosed, or the context's.
	Append(ctx context.Context, e *Entry) (Receipt, error)

	// AppendBatch appends entries in their order and returns one receipt for each when all of them are on disk. They share commits, and
	// other entries may stand between them. Of entries with one id the first is stored. After an error some of them may be stored and
	// others not: the receipts that come with it are of those that are on disk for certain, and Sequence is 0 in the others'. Appending
	// all of them again under the same ids adds what is missing. After ErrTooLarge none is stored, and there are no receipts. None of
	// them is kept after it has returned. Errors as Append.
	AppendBatch(ctx context.Context, entries []*Entry) ([]Receipt, error)

	// Bounds returns what can be read now. Only what is on disk is ever readable.
	Bounds() Bounds
	// Wait returns when Bounds().End > end, with the new bounds.
	Wait(ctx context.Context, end int64) (Bounds, error)
	// Read returns the next events at or after q.From. It doesn't wait: at the end it returns an empty page.
	Read(ctx context.Context, q Query) (Page, error)
	// Get returns one event; ErrNotFound.
	Get(ctx context.Context, sequence int64) (*Stored, error)
	// Lookup returns the sequence of an id within the dedupe window; ErrNotFound. The event itself may be gone already.
	Lookup(ctx context.Context, source, id string) (int64, error)
	// SequenceAt returns the first sequence whose Time is at or after t, or Bounds().End.
	SequenceAt(ctx context.Context, t time.Time) (int64, error)

	// PutRecords stores records by key, all in one commit, and returns when they are on disk. A nil value deletes.
	PutRecords(ctx context.Context, records map[string][]byte) error
	// Records returns all records.
	Records(ctx context.Context) (map[string][]byte, error)

	// Erase removes the content of one event for good, for a data-protection request: what is stored of it is overwritten. It
	// returns when that is on disk. The id goes on counting as delivered for its window, and Lookup goes on finding it; Get and
	// Read don't find the event any more, nor whoever has not read it yet. Where there is no such event, as after it was erased,
	// the answer is ErrNotFound, so to erase again is safe. Bounds.First may move on when the first event is erased.
	Erase(ctx context.Context, sequence int64) error

	// DeadLetters is the side log of what subscriptions gave up on.
	DeadLetters() SideLog
	// Rejections is the ring log of what was refused and is no event.
	Rejections() RingLog

	// SetHolds names the function that retention asks, from its own goroutine, what is still needed.
	SetHolds(func() Holds)
	// Status describes the journal's health, for readiness and metrics; nil when it takes appends.
	Status() error
	// Close stops taking appends, finishes those that are running, and closes the store, within the context's time.
	Close(ctx context.Context) error
}
