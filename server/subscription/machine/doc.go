// Package machine is one subscription as a deterministic state machine. It does no I/O, starts no goroutine, reads no clock
// and draws no random number: the same inputs give the same outputs. It is not safe for concurrent use; its owner locks.
//
// # What it holds
//
// A subscription stands at a position: every event before it is settled or does not match, except those that are held. An
// event goes this way:
//
//	Offer → buffer → outbox of a member → (Take) → leased → (Ack) → settled
//	          │         ↑          ↑                  │ deadline, stream lost, rejected
//	          ↓         │       waiting ←─────────────┤
//	       blocked ─────┘          ↑                  ↓ rejected for good, too many attempts
//	   (its key is busy)         Inject            burying → (Buried) → settled
//
// The buffer is what was read ahead and belongs to nobody. What is waiting, blocked, in an outbox, leased or being buried is
// held: it stands in State, the durable part. In an outbox and while leased it counts against its member's window.
//
// # Inputs and outputs
//
// Inputs are Offer (the next matching event), Advance (nothing matches before a sequence), Lost (the journal begins later
// now), Join, Leave, Take, Ack, Reject, Extend, Gone, Buried, BuryFailed, Inject, CancelReplay, Seek, Pause, Resume, Configure
// and Tick. After an input its owner looks at the outputs: Woken (members that have something to take), Dirty (State has to be
// made durable before anything is answered), DeadLetters (what is to be stored as a dead letter), WakeAt (when to Tick at the
// latest) and Room (how much more may be offered); with State it takes Copies (dead letters to be deleted once that State is
// durable). Time is a duration since any fixed start, and must never go back.
//
// # Who gets what, and when
//
//   - A member is sent events in the order of their sequences until something is redelivered or injected. Several members share
//     the events, and then each of them sees its part in order. An ordered subscription promises order within a key instead.
//   - What is waiting goes before what is buffered, lowest sequence first. A redelivered event that fits into nobody's window
//     is overtaken, but not for ever: after some dozens of events one member is kept free for it.
//   - Injected events and all others take turns, one by one, as long as there are both.
//   - An event is with one member at a time. It goes to another when its deadline passed, when its stream was lost, when it was
//     rejected, or when its member took nothing out of its outbox for Config.Stall; a member other than the last is preferred. After
//     a deadline the others are waited for as long as Config.Elsewhere, where all they lack is room in their outboxes.
//   - A rejected event that waits for its time is in nobody's way, except in that of its key.
//   - A member holds at most its window of events and of bytes; one event is let through however large.
//   - Ordered: of one key one event is in an outbox, leased, waiting or being buried; the following are blocked, and the one with
//     the lowest sequence goes next when that one is settled.
//
// # What counts
//
//   - Attempts count what was taken to be sent, not what was read or put into an outbox. What a member that leaves took and was not sent
//     is no attempt, unless its deadline passed before. They begin anew after a seek and when an event is injected.
//   - An acknowledgement counts only for the latest attempt. Acknowledging what is settled is no error and changes nothing.
//   - Each entry bears the epoch in which it came to be held, and its acknowledgements are checked against that. The epoch grows
//     with every Seek and every Inject, so that no two deliveries of one life have the same sequence, attempt and epoch.
//   - An event that was sent MaxAttempts times and comes back becomes a dead letter, and so does one that was held with so many
//     attempts when the machine was made. It is settled by Buried and not before; an acknowledgement that comes first wins.
//   - A seek drops what is not with a member. What is leased or being buried stays as it is and is not among what the seek
//     brings: settled, it does not come again, wherever the position is.
//   - Memory is bounded by BufferEvents and BufferBytes for what is read ahead, the members' windows and MaxHeld for what is
//     held, and KeptBytes for the payloads of what is held and with no member. A payload is kept until the event is taken.
//
// # What cannot be assumed
//
// Nothing here is durable by itself: what State returns has to be stored, and an acknowledgement be answered only after that.
// After New from a stored State everything held is waiting, with the reason Restart; what waited for its time because it was rejected
// goes on waiting for it. What was taken after the State was stored is offered again as new. A rejection for good is known only once it
// was buried:
// after a crash before that, the event is sent again. An ordered subscription held events under keys only since it is ordered.
package machine
