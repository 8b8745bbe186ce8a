package machine

type link struct{ prev, next *entry }

// The two lists that an entry is in: the line of held ones, and the outbox or the leases of its holder.
const (
	byLine = iota
	byHolder
)

// list is a doubly linked list through one of an entry's links.
type list struct {
	head, tail *entry
	link, n    int
}

func (l *list) push(e *entry) { l.insert(l.tail, e) }

// insert puts an entry behind another one, in front where that is nil.
func (l *list) insert(after, e *entry) {
	next := l.head
	if after != nil {
		next = after.links[l.link].next
		after.links[l.link].next = e
	} else {
		l.head = e
	}
	if next != nil {
		next.links[l.link].prev = e
	} else {
		l.tail = e
	}
	e.links[l.link] = link{prev: after, next: next}
	l.n++
}

func (l *list) remove(e *entry) {
	at := e.links[l.link]
	if at.prev == nil {
		l.head = at.next
	} else {
		at.prev.links[l.link].next = at.next
	}
	if at.next == nil {
		l.tail = at.prev
	} else {
		at.next.links[l.link].prev = at.prev
	}
	e.links[l.link] = link{}
	l.n--
}

// line is held entries in the order of their sequences. Reading and injecting go up through the sequences each for itself, so
// each remembers where it last put one (nil: the front): from there the way to the next is short.
type line struct {
	list
	read, injected *entry
}

// add puts an entry in its place, looking for it from one of the two marks on, which then points to it.
func (l *line) add(e *entry, mark **entry) {
	at := *mark
	for at != nil && at.event.Seq > e.event.Seq {
		at = at.links[byLine].prev
	}
	next := l.head
	if at != nil {
		next = at.links[byLine].next
	}
	for next != nil && next.event.Seq < e.event.Seq {
		at, next = next, next.links[byLine].next
	}
	l.insert(at, e)
	*mark = e
}

func (l *line) remove(e *entry) {
	prev := e.links[byLine].prev
	if l.read == e {
		l.read = prev
	}
	if l.injected == e {
		l.injected = prev
	}
	l.list.remove(e)
}
