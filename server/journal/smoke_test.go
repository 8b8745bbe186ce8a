package journal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	for round := range 3 {
		start := time.Now()
		s, err := Open(t.Context(), Config{Dir: dir, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("open", time.Since(start), s.Bounds(), s.Status())
		var wg sync.WaitGroup
		start = time.Now()
		for g := range 64 {
			wg.Go(func() {
				for i := range 200 {
					r, err := s.Append(context.Background(), &Entry{Source: "gh", Type: "a.b", ID: fmt.Sprint(round, g, i), Event: make([]byte, 500), Content: make([]byte, 1000), DedupeWindow: -1})
					if err != nil {
						t.Error(err)
					}
					_ = r
				}
			})
		}
		wg.Wait()
		fmt.Println("append", time.Since(start), s.Bounds())
		r, err := s.Append(t.Context(), &Entry{Source: "gh", Type: "a.b", ID: "0 0 0", DedupeWindow: -1})
		fmt.Println(r, err)
		p, err := s.Read(t.Context(), Query{From: 1})
		fmt.Println(len(p.Events), p.Next, err)
		fmt.Println(s.SequenceAt(t.Context(), start))
		start = time.Now()
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		fmt.Println("close", time.Since(start))
	}
}
