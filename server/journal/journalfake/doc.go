// Package journalfake is a journal in memory, for tests of what stands on one. It keeps the contract of journal.Journal to the
// letter where that is inconvenient: only what is committed is visible, sequences have holes, filters are hints, and nothing
// that was not committed survives Crash.
package journalfake
