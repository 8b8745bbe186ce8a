package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
)

// ledger is what the embedded journal notes, in a file of its own, about the ids of a side log: up to where they were given, and
// which entries were removed.
//
// The server's store is not enough for either. When the newest entries are removed and the power fails it may count from an earlier
// id again. And after a kill it brings back an entry that was removed as the last one of a block which the store keeps because
// there are marks of other removals in it (nats-server 2.15).
//
// The file begins with the id that follows the last one given. A line for each range of removed ids follows, ascending and without
// overlap: the first id and the one after the last.
type ledger struct {
	path string
	disk disk
	end  int64
	gone []span
	// written is whether the file is as this says.
	written bool
}

// span is a range of ids: from <= id < to.
type span struct{ from, to int64 }

// openLedger reads a ledger. Where there is none it is empty.
func openLedger(d disk, path string) (*ledger, error) {
	l := &ledger{path: path, disk: d, end: 1}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		l.end, l.gone, err = parseLedger(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.written = true
	return l, nil
}

func parseLedger(b []byte) (end int64, gone []span, err error) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	if !lines.Scan() {
		return 0, nil, errors.New("line 1: want an id, got nothing")
	}
	if n, err := fmt.Sscanf(lines.Text()+"\n", "%d\n", &end); n != 1 || err != nil || end < 1 {
		return 0, nil, fmt.Errorf("line 1: want an id, got %q", lines.Text())
	}
	last := int64(0)
	for n := 2; lines.Scan(); n++ {
		var s span
		if _, err := fmt.Sscanf(lines.Text()+"\n", "%d %d\n", &s.from, &s.to); err != nil || s.from <= last || s.to <= s.from || s.to > end {
			return 0, nil, fmt.Errorf("line %d: want two ids, each above the one before and at most %d, got %q", n, end, lines.Text())
		}
		gone, last = append(gone, s), s.to
	}
	return end, gone, lines.Err()
}

// note makes it durable that ids were given up to end and that some were removed. Nothing is kept of those before first, where
// the log begins.
func (l *ledger) note(end, first int64, removed []int64) error {
	gone := l.with(removed)
	for len(gone) > 0 && gone[0].to <= first {
		gone = gone[1:]
	}
	end = max(end, l.end)
	if l.written && end == l.end && slices.Equal(gone, l.gone) {
		return nil
	}
	b := fmt.Appendf(nil, "%d\n", end)
	for _, s := range gone {
		b = fmt.Appendf(b, "%d %d\n", s.from, s.to)
	}
	// What was asked for counts even if writing it fails: it may be on disk.
	l.end, l.gone, l.written = end, gone, false
	if err := replaceFile(l.disk, l.path, b); err != nil {
		return err
	}
	l.written = true
	return nil
}

// with returns what is gone when some more ids, in ascending order, are.
func (l *ledger) with(ids []int64) []span {
	all := slices.Clone(l.gone)
	for _, id := range ids {
		all = append(all, span{id, id + 1})
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// within returns what is gone of the ids from <= id < to.
func (l *ledger) within(from, to int64) []span {
	var gone []span
	for _, s := range l.gone {
		if s = (span{max(s.from, from), min(s.to, to)}); s.from < s.to {
			gone = append(gone, s)
		}
	}
	return gone
}
