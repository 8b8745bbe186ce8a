package journal

import (
	"maps"
	"slices"
	"sync"
)

// veil is what is stored in a side log and not to be seen any more: what is to be removed as soon as there is room for that, which
// removing takes too.
type veil struct {
	mu  sync.RWMutex
	ids map[int64]veiled
}

// veiled is what a count of all that is stored has to leave out.
type veiled struct {
	owner string
	bytes int64
}

// add hides entries of the stream whose subjects begin with root.
func (v *veil) add(root string, entries []SideEntry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ids == nil {
		v.ids = map[int64]veiled{}
	}
	for _, e := range entries {
		v.ids[e.ID] = veiled{e.Owner, recordSize(sideSubject(root, e.Owner), 0, len(e.Payload))}
	}
}

// lift forgets entries that are stored no more.
func (v *veil) lift(gone func(id int64) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.ids, func(id int64, _ veiled) bool { return gone(id) })
}

// over says whether an entry is hidden.
func (v *veil) over(id int64) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.ids[id]
	return ok
}

// seen returns those of some entries that may be seen.
func (v *veil) seen(entries []SideEntry) []SideEntry {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.ids) == 0 {
		return entries
	}
	return slices.DeleteFunc(entries, func(e SideEntry) bool {
		_, ok := v.ids[e.ID]
		return ok
	})
}

// leaveOut takes what is hidden out of a count of what is stored.
func (v *veil) leaveOut(count *SideCount) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, e := range v.ids {
		count.Entries--
		count.Bytes -= e.bytes
		if count.ByOwner[e.owner]--; count.ByOwner[e.owner] <= 0 {
			delete(count.ByOwner, e.owner)
		}
	}
}
