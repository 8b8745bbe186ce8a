// Package subscription hands stored events out over gRPC: who gets what, again until it is acknowledged. Its rules are a pure
// state machine, package machine; here are the streams, the shared reader of the journal's tail, the catching up, the grouped
// records, and the service itself.
//
// # Usage
//
// New loads the subscriptions from the journal's records, Run serves until its context ends and then stores where they stand.
// The gRPC server must be given Codec. To stop: Shutdown, then end the context of Run, then close the journal.
//
// # Ordering and duplicates
//
// A stream gets events in the order of the journal until something is redelivered. Several streams of one name share its
// events, and each gets its part in order. An event comes again when its ack deadline passed, when its stream ended, when its
// stream took nothing for a while, when it was rejected, and after a restart. An ordered subscription holds the events of one ordering
// key to their order through all of that. The deadline begins when the event is taken to be sent, so a client
// that reads slowly may be sent an event that is with another by then.
//
// # Durability
//
// A durable subscription is on disk before it is confirmed, and an acknowledgement before it is answered. Commits that are
// asked for while one runs share the next one. Attempts and the position of what was skipped are stored within about 15 s and at
// the end of Run: after a crash attempts may count low, and what was sent may come as if it were new.
//
// An event that is given up is copied to the dead letters before it is settled, by one goroutine for all subscriptions; until then it
// is held and sent to nobody, and what can't be stored is tried again with growing waits. A copy of which the record doesn't know,
// because a crash came between the two or because storing it failed and stored it all the same, settles its event before anything is
// sent: of one life of an event there is one dead letter. Without a crash it is looked for when the next is stored, or within about a
// minute of the side log's answering; where its event was acknowledged meanwhile it is removed, unless somebody redrove it. The dead
// letter of a redriven event is removed when its settling is on disk; what is to be removed is in the record, so that no crash leaves one
// behind. What a stream took and was not sent, because it ended or the journal can't be read, is no attempt.
//
// # Backpressure and memory
//
// Of a stream at most its window of events and bytes is unsettled; one event goes out however large. Beyond that a subscription
// keeps about a thousand events or a megabyte that were read ahead, and forgets them when nothing moves for some seconds. A
// stream that isn't read delays no other subscription. There are at most 10,000 durable subscriptions.
//
// # Shutdown
//
// Shutdown ends streams with Unavailable (SHUTTING_DOWN) and waits for them as long as its context; one that is blocked in
// sending ends only with its connection. Acknowledgements are taken until Run ends.
//
// # Managing
//
// Service changes subscriptions while they run, and answers when that is on disk. Whoever deletes one ends its streams, and frees its name
// when its record and its dead letters are gone. A replay is a goroutine of Run that hands out a part of the journal; how far it is stands
// in the record together with what it handed out. What is erased is in no memory here that somebody could still be sent it from, but on
// its way to a stream that has taken it; nor does a copy of it become a dead letter that was on its way there, for which erasing waits. Each change is one line of the log, "audit".
//
// # What cannot be assumed
//
// An ephemeral stream's event is settled when it is handed to the stream, not when the client has it. A Gap names sequences, of
// which some may not have matched, and may be told again. When the journal can't be read, a stream may end with Unavailable.
package subscription
