package server_test

import (
	"net/http"
	"sync"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Where the proof covers the body and neither id nor time, the same body under another id is stored and marked, for every reader and in
// filters, also after a restart; where it covers more, it is another event.
func TestSuspectedReplays(t *testing.T) {
	b := open(t, `journal: {min_free: "0"}
sources:
- {name: github, provider: github, secrets: [env:github]}
- {name: standard, provider: standard_webhooks, secrets: [env:standard_webhooks]}
`, nil)
	body := []byte(`{"action":"x","zen":"the same"}`)
	first := b.mustStore("github", "issues.x", "d-1", body)
	second := b.mustStore("github", "issues.x", "d-2", body)
	other := b.mustStore("github", "issues.x", "d-3", []byte(`{"action":"x","zen":"another"}`))
	b.stop()
	b.start()
	// The header that names the type isn't signed either.
	third := b.mustStore("github", "pull_request.x", "d-4", body)
	signed := b.mustStore("standard", "a", "d-1", body)
	again := b.mustStore("standard", "a", "d-2", body)
	if a := b.post("github", "issues.x", "d-2", body, nil); !a.receipt.Duplicate || a.receipt.Sequence != second {
		t.Errorf("the same id is a duplicate: %s", a.text)
	}
	want := map[int64]int64{first: 0, second: first, other: 0, third: first, signed: 0, again: 0}
	check := func(how string, e *hookbridgev1.Event) {
		t.Helper()
		a := e.GetAuth()
		if of := want[e.GetSequence()]; a.GetReplayOf() != of || a.GetReplaySuspected() != (of != 0) || a.GetScheme() == "" || !a.GetBodyCovered() {
			t.Errorf("%s, event %d: %v, want a replay of %d", how, e.GetSequence(), a, of)
		}
	}
	for _, content := range []bool{false, true} {
		next, end := b.follow(&hookbridgev1.SubscribeRequest{IncludeContent: content})
		for range want {
			check("subscribed", next().GetEvent())
		}
		end()
	}
	for sequence := range want {
		got, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: sequence}})
		if err != nil {
			t.Fatal(err)
		}
		check("read", got.GetEvent())
	}
	for expression, sequences := range map[string][]int64{
		"event.auth.replay_suspected":  {second, third},
		"!event.auth.replay_suspected": {first, other, signed, again},
		"event.auth.replay_of == 1":    {second, third},
	} {
		next, end := b.follow(&hookbridgev1.SubscribeRequest{Filter: &hookbridgev1.Filter{Expression: expression}})
		for _, sequence := range sequences {
			if got := next().GetEvent().GetSequence(); got != sequence {
				t.Errorf("%s: got %d, want %d", expression, got, sequence)
			}
		}
		end()
	}
}

// Of two with one body that come at once one is the first, and the other is marked.
func TestSuspectedReplaysAtOnce(t *testing.T) {
	b := open(t, "journal: {min_free: \"0\"}\nsources: [{name: github, provider: github, secrets: [env:github]}]\n", nil)
	const together = 16
	var work sync.WaitGroup
	for n := range together {
		work.Go(func() {
			a, err := b.tryPost("github", "issues.x", string(rune('a'+n)), []byte(`{"action":"x"}`), nil)
			if err != nil || a.status != http.StatusOK || a.receipt.Duplicate {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	work.Wait()
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{})
	first, replays := int64(0), map[int64]int{}
	for range together {
		e := next().GetEvent()
		if of := e.GetAuth().GetReplayOf(); of != 0 {
			replays[of]++
		} else if first == 0 {
			first = e.GetSequence()
		} else {
			t.Errorf("%d and %d are both the first", first, e.GetSequence())
		}
	}
	if len(replays) != 1 || replays[first] != together-1 {
		t.Errorf("the first is %d, the others name %v", first, replays)
	}
}
