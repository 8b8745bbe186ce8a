// Package machine is one subscription as a deterministic state machine. It does no I/O, starts no goroutine, reads no clock
// and draws no random number: the same inputs give the same outputs. It is not safe for concurrent use; its owner locks.
//
// # What it holds
//
// A subscription stands at a position: every event before it is settled or does not match, except those that are held. An
// event goes this way:
//
//	Offer → buffer → outbox of a member → (Take) → leased → (Ack) → settled
//	                    ↑                              │ deadline, stream lost
//	                    └────── waiting ───────────────┘
//
// The buffer is what was read ahead and belongs to nobody. From the outbox on an event is held: it counts against its
// member's window and stands in State, the durable part. What is waiting goes before what is buffered, lowest sequence first.
//
// # Inputs and outputs
//
// Inputs are Offer (the next matching event), Advance (nothing matches before a sequence), Lost (the journal begins later
// now), Join, Leave, Take, Ack, Gone and Tick. After an input its owner looks at the outputs: Woken (members that have
// something to take), Dirty (State has to be made durable before acknowledgements are answered), WakeAt (when to Tick at the
// latest) and Room (how much more may be offered). Time is a duration since any fixed start, and must never go back.
//
// # Guarantees
//
//   - A member is sent events in the order of their sequences until something is redelivered. Several members share the
//     events, and then each of them sees its part in order.
//   - Attempts count what was taken to be sent, not what was read or put into an outbox.
//   - An event is with one member at a time. It goes to another when its deadline passed, when its stream was lost, or when
//     its member took nothing out of its outbox for Config.Stall; another member is preferred to the one that had it.
//   - A member holds at most its window of events and of bytes; one event is let through however large.
//   - An acknowledgement counts only for the latest attempt. Acknowledging what is settled is no error and changes nothing.
//   - Memory is bounded by the windows: BufferEvents and BufferBytes for what is read ahead, the members' windows and MaxHeld
//     for what is held. An event's payload is kept until it is taken, and no longer.
//
// # What cannot be assumed
//
// Nothing here is durable by itself: what State returns has to be stored, and an acknowledgement be answered only after that.
// After New from a stored State everything held is waiting, with the reason Restart; what was taken after the State was
// stored is offered again as new.
package machine
