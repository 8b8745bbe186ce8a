package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// erase erases an event that was answered. From here on it may be gone; that it is, only when this is answered.
func (a *answered) erase(ctx context.Context, s *Store, id string) bool {
	a.mu.Lock()
	sequence := a.events[id]
	delete(a.events, id)
	a.mu.Unlock()
	err := s.Erase(ctx, sequence)
	if errors.Is(err, ErrNotFound) {
		// Retention was faster.
		return true
	}
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.erased[id] = sequence
	return true
}

// keepLetters adds dead letters and removes some of them, singly and all there are, until the power is gone.
func (a *answered) keepLetters(ctx context.Context, s *Store) {
	var kept []int64
	for n := 0; ; n++ {
		bodies := []string{fmt.Sprintf("letter %d", n), fmt.Sprintf("letter %d too", n)}
		ids, err := s.DeadLetters().Add(ctx, SideEntry{Owner: "billing", Payload: noise(bodies[0])}, SideEntry{Owner: "billing", Payload: noise(bodies[1])})
		if err != nil && !errors.Is(err, ErrFull) {
			return
		}
		full := err != nil
		a.mu.Lock()
		for i, id := range ids {
			a.letters[id] = bodies[i]
		}
		a.mu.Unlock()
		kept = append(kept, ids...)
		var remove []int64
		overwrite := false
		switch {
		case full || n%17 == 16:
			remove, kept = kept, nil
		case n%3 == 2:
			remove, kept = kept[len(kept)-1:], kept[:len(kept)-1]
		case n%4 == 3:
			remove, kept, overwrite = kept[:1], kept[1:], true
		}
		if len(remove) > 0 && !a.removeLetters(ctx, s, remove, overwrite) {
			return
		}
	}
}

func (a *answered) removeLetters(ctx context.Context, s *Store, ids []int64, overwrite bool) bool {
	remove := s.DeadLetters().Remove
	if overwrite {
		remove = s.DeadLetters().Erase
	}
	// What is being removed when the power goes may be there or not.
	a.mu.Lock()
	bodies := map[int64]string{}
	for _, id := range ids {
		bodies[id] = a.letters[id]
		delete(a.letters, id)
	}
	a.mu.Unlock()
	if n, err := remove(ctx, "billing", ids...); err != nil || n != len(ids) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.letters, bodies)
	for _, id := range ids {
		a.removed[id] = overwrite
	}
	return true
}

// notErased says what is there of what was erased or removed, what is missing of the dead letters, and whether a sequence or an id
// is given again.
func (a *answered) notErased(t *testing.T, s *Store, stored map[string][]int64) []string {
	t.Helper()
	var problems []string
	for id, sequence := range a.erased {
		if at, ok := stored[id]; ok {
			problems = append(problems, fmt.Sprintf("%s was erased at %d, and is at %v", id, sequence, at))
		}
		if file := holding(t, a.dir, noise(id)); file != "" {
			problems = append(problems, fmt.Sprintf("%s was erased, and its body is in %s", id, file))
		}
	}
	receipt, err := s.Append(t.Context(), &Entry{Source: "demo", Type: "test", ID: "new", Event: []byte("new"), DedupeWindow: -1})
	if err != nil || receipt.Sequence < a.end {
		problems = append(problems, fmt.Sprintf("after sequence %d a new event has %d, %v", a.end-1, receipt.Sequence, err))
	}
	last := int64(0)
	for id, body := range a.letters {
		last = max(last, id)
		got, err := s.DeadLetters().Get(t.Context(), id)
		overwritten, removed := a.removed[id]
		switch {
		case removed && !errors.Is(err, ErrNotFound):
			problems = append(problems, fmt.Sprintf("dead letter %d was removed, and get says %v", id, err))
		case !removed && (err != nil || got.Owner != "billing" || !bytes.Equal(got.Payload, noise(body))):
			problems = append(problems, fmt.Sprintf("dead letter %d was answered, and get says %v, %d bytes", id, err, len(got.Payload)))
		}
		if file := holding(t, a.dir, noise(body)); overwritten && file != "" {
			problems = append(problems, fmt.Sprintf("dead letter %d was erased, and is in %s", id, file))
		}
	}
	ids, err := s.DeadLetters().Add(t.Context(), SideEntry{Owner: "billing", Payload: []byte("new")})
	if err != nil && !errors.Is(err, ErrFull) || err == nil && ids[0] <= last {
		problems = append(problems, fmt.Sprintf("after dead letter %d a new one is %v, %v", last, ids, err))
	}
	return problems
}

// holding returns the name of a file under a folder that holds some bytes, empty if none does.
func holding(t *testing.T, dir string, data []byte) string {
	t.Helper()
	found := ""
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, data) {
			found = path
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}
