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
// # Dead letters
//
// DeadLetters is a side log: a stream of its own, bounded by size and, if so configured, by age, with a group commit of its own. It is
// full when it is full: nothing goes to make room, and the event that a dead letter is a copy of goes on waiting. Ids are places in
// the stream and are never given twice. A removal is on disk when it is answered. Embedded, a ledger in the journal's folder says
// which entries were removed and how far ids were given, and what the server brings back after a crash is removed again before the
// log is shown. On an external cluster the servers' own record of removals counts, and nothing stands beside it.
//
// # Rejections
//
// Rejections is a ring log: a stream of its own, bounded by size and age, whose oldest entries make room for new ones. It is written
// as it comes, never synced, and nothing waits for it: a process that is killed loses nothing that was taken, a machine that loses power
// may lose the last half minute. Trouble with it, unlike with the other streams, is trouble with nothing else.
//
// # Erasing
//
// Erase, of an event or of dead letters, overwrites what is stored and answers when that is on disk; none of the journal's files holds
// the content then. Removing, and retention, don't overwrite: bytes stay in a block until all of it goes, or is rewritten. Erasing
// an event leaves its copies among the dead letters, which are erased by themselves, and its source and id in the index of ids, until
// its window is over: that is how a provider's retry is still known. An index that has to be made anew has lost it.
// Neither reaches old copies of a block that a file system, a snapshot or a backup keeps, nor the logs of a cluster's replicas
// before the servers compact them.
//
// # Order
//
// Sequences grow in the order of commit. Entries that are appended concurrently are ordered anyhow; an append that begins after
// another one was answered gets the higher sequence.
//
// # Trouble
//
// A write error makes the server's store unusable until it is opened anew. Append answers ErrUnavailable (or ErrFull) then, and the
// journal reopens the store by itself, with backoff. What was in flight may or may not be stored; appending it again under the same id is
// safe.
//
// # A full disk
//
// A journal that is there opens on a full disk, and a store that failed for want of room is opened anew at once: what is stored can be
// read. After a write found no room nothing is written, and Append and all else that writes answers ErrFull, until 8 MiB are free; that is
// looked at every second. The index of ids needs room even to be opened for writing. Until it has that, and has caught up, it is opened to
// be read, if that can be: an id that it finds is known, of all others Append and Lookup answer ErrFull. Nothing is removed meanwhile, and
// limits that were changed wait, as do sequences that are to be skipped: Bounds are as if they were. Erase and what removes dead letters
// answer ErrFull before the store is touched, where there may be no room for the copy of a block, 16 MiB, to erase. Dead letters that had been
// removed and came back are hidden until there is.
package journal
