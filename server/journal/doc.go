// Package journal is the durable log of events: NATS JetStream, in this process or an external cluster, with an index of the ids that
// were stored and a small store of records beside it.
//
//	j, err := journal.Open(ctx, journal.Config{Dir: "data", MaxAge: 168 * time.Hour, MaxBytes: 10 << 30, DedupeWindow: 24 * time.Hour})
//	receipt, err := j.Append(ctx, &journal.Entry{Source: "demo", ID: "1", Type: "ping", Event: event, DedupeWindow: -1})
//
// # Durability
//
// Append answers after the event was fsynced. The embedded server runs without SyncAlways, which fsyncs every message; instead the
// journal publishes what is waiting as a group, awaits the server's acknowledgements (given after the write to the file, before any
// fsync), fsyncs the message blocks that the group can be in, and the folder where a block is new, and only then answers. While one
// group is synced the next is published. On an external cluster the quorum's acknowledgement is the answer.
//
// What is not synced is never shown: Bounds, Read and Wait end at the last synced event. After a start everything on disk is synced
// once before it is shown, since a crashed process may have left events that are only in the page cache.
//
// The folder belongs on a local disk with an ext4-like file system. When old events are purged the server may rewrite a block
// and rename it over the old one before the journal syncs it; ext4 writes the data of such a file before the rename, other file
// systems may lose it in a power cut within those milliseconds.
//
// # Duplicates
//
// An id counts within its source and its window, exactly, across restarts and after its event was purged. The index is derived from
// the log, written without a log of its own, and after a crash completed from where it was flushed last. Its cost is disk: about
// 60 to 100 bytes for each id in the window, in a few generations that are dropped as a whole; memory is bounded by its caches.
//
// # Order
//
// Sequences grow in the order of commit. Entries that are appended concurrently are ordered anyhow; an append that begins after
// another one was answered gets the higher sequence.
//
// # Trouble
//
// A write error makes the server's store unusable until it is opened anew. From then on Append answers ErrUnavailable (or ErrFull) at
// once, and the journal reopens the store by itself when there is room, with backoff. What was in flight may or may not be stored;
// appending it again under the same id is safe.
package journal
