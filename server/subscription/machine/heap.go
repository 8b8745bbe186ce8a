package machine

// heap is a binary heap of entries. An entry is in at most one heap and knows where in it, so that any can be removed.
type heap struct {
	entries []*entry
	// timed orders by due, and then by sequence; otherwise the sequence alone counts.
	timed bool
}

func (h *heap) len() int { return len(h.entries) }

func (h *heap) head() *entry { return h.entries[0] }

func (h *heap) less(a, b *entry) bool {
	if h.timed && a.due != b.due {
		return a.due < b.due
	}
	return a.event.Seq < b.event.Seq
}

func (h *heap) push(e *entry) {
	h.entries = append(h.entries, e)
	h.up(len(h.entries)-1, e)
}

func (h *heap) pop() *entry {
	e := h.entries[0]
	h.remove(e)
	return e
}

func (h *heap) remove(e *entry) {
	n := len(h.entries) - 1
	last := h.entries[n]
	h.entries[n] = nil
	h.entries = h.entries[:n]
	if last != e {
		h.place(e.index, last)
	}
}

// fix puts an entry right whose due has changed.
func (h *heap) fix(e *entry) { h.place(e.index, e) }

// place puts an entry at i or where it belongs from there.
func (h *heap) place(i int, e *entry) {
	if i > 0 && h.less(e, h.entries[(i-1)/2]) {
		h.up(i, e)
	} else {
		h.down(i, e)
	}
}

func (h *heap) up(i int, e *entry) {
	for i > 0 {
		above := h.entries[(i-1)/2]
		if !h.less(e, above) {
			break
		}
		h.entries[i], above.index = above, i
		i = (i - 1) / 2
	}
	h.entries[i], e.index = e, i
}

func (h *heap) down(i int, e *entry) {
	for {
		child := 2*i + 1
		if child >= len(h.entries) {
			break
		}
		if right := child + 1; right < len(h.entries) && h.less(h.entries[right], h.entries[child]) {
			child = right
		}
		if !h.less(h.entries[child], e) {
			break
		}
		h.entries[i] = h.entries[child]
		h.entries[i].index = i
		i = child
	}
	h.entries[i], e.index = e, i
}
