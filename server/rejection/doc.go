// Package rejection is the log of deliveries that were refused by their senders' fault, and what finds out why.
//
//	log, err := rejection.New(rejection.Config{Store: journal.Rejections(), Logger: logger, Now: time.Now})
//	log.SetSources(catalogue, sources)           // again after each reload
//	edge.Config{Refused: log.Refused}            // after the sender has its answer
//	err = log.Run(ctx)                           // the one worker: looks into them, writes them down
//
// Guarantees:
//
//   - It changes nothing of what a sender is told, nor when: Refused is called after the answer, and never blocks.
//   - What it takes is bounded: the queue in entries and bytes, the time for looking into refusals to a twentieth of one processor, the
//     work for each of them, the memory of senders and of former secrets, and the store in bytes and age.
//   - Under a flood a few of each sender, source, reason and finding are written down one by one, the rest is counted: in the next entry of
//     that sender, source and reason, or in one that follows within two minutes. Until then List says how many there are.
//   - What should be looked into and was not, says so and why.
//   - A diagnosis is what was tried and found to be so. No secret is in it, and no signature that would have been right.
//
// What can't be assumed: that each refusal is written down, beyond a crash or at all. Nothing waits for the log, and where it is in
// trouble, a metric counts what it missed. Nor that what is written down is true: it was not verified, and anybody can have sent it.
package rejection
