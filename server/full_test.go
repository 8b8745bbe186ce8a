package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

const oneSource = "sources: [{name: demo, provider: hmac, secrets: [env:hmac]}]\n"

// filler is a body of n bytes and a bit that hardly compresses, another one for each number.
func filler(number, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user_created","user_id":%d,"note":%q}`, number, document(n)[10:n-10])
}

// beginning starts a subscription with the oldest event.
func beginning() *hookbridgev1.Start {
	return &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
}

// fill posts until it is refused, and returns the refusal.
func (b *bridge) fill(t *testing.T, prefix string) answer {
	t.Helper()
	deadline := time.Now().Add(patience)
	for n := 0; time.Now().Before(deadline); n++ {
		if a := b.post("demo", "user_created", fmt.Sprintf("%s-%d", prefix, n), filler(n, 100<<10), nil); a.status != http.StatusOK {
			return a
		}
	}
	t.Fatal("the journal did not become full")
	return answer{}
}

// recovers posts until it is taken again.
func (b *bridge) recovers(t *testing.T, id string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	last := answer{}
	for time.Now().Before(deadline) {
		if last = b.post("demo", "user_created", id, userCreated(1), nil); last.status == http.StatusOK {
			return
		}
	}
	t.Fatalf("there is room, and deliveries are still refused: %d %s", last.status, last.text)
}

func wantUnavailable(t *testing.T, a answer, reason string) {
	t.Helper()
	if seconds, err := strconv.Atoi(a.retryAfter); a.status != http.StatusServiceUnavailable || err != nil || seconds < 1 || !strings.Contains(a.text, reason) {
		t.Errorf("want 503 with Retry-After and %s, got %d, Retry-After %q, %s", reason, a.status, a.retryAfter, a.text)
	}
}

// A journal at max_bytes whose events a subscription holds on to refuses deliveries with 503, and takes them again, without a
// restart, when they were acknowledged.
func TestJournalAtMaxBytes(t *testing.T) {
	b := open(t, "journal: {min_free: \"0\", retention: {max_bytes: 2MiB}}\nsubscriptions: [{name: keeper, hold: all}]\n"+oneSource, nil)
	next, _ := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "keeper", Start: beginning()})
	wantUnavailable(t, b.fill(t, "fill"), "JOURNAL_FULL")
	var acks []string
	page, err := b.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for range page.GetEvents() {
		acks = append(acks, next().GetAckId())
	}
	b.acknowledge("keeper", acks...)
	b.recovers(t, "after")
}

// A subscription that nobody reads any more stops nobody: at max_bytes its position moves on.
func TestAbandonedSubscriptionStopsNobody(t *testing.T) {
	b := open(t, "journal: {min_free: \"0\", retention: {max_bytes: 2MiB}}\n"+oneSource, nil)
	b.mustStore("demo", "user_created", "first", userCreated(1))
	next, end := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "abandoned", Start: beginning()})
	next()
	end()
	var last int64
	for n := range 60 {
		last = b.mustStore("demo", "user_created", fmt.Sprintf("id-%d", n), filler(n, 100<<10))
	}
	next, _ = b.follow(&hookbridgev1.SubscribeRequest{Subscription: "another", Start: &hookbridgev1.Start{At: &hookbridgev1.Start_Sequence{Sequence: last}}})
	if got := next().GetEvent().GetSequence(); got != last {
		t.Errorf("want event %d, got %d", last, got)
	}
}

// A file system that is really full: deliveries get 503, everything that was answered with 200 is still there, and when there is
// room again deliveries are taken, without a restart. Once it is found by the watermark, once by the write error.
func TestFullFileSystem(t *testing.T) {
	for name, minFree := range map[string]string{"at the watermark": "4MiB", "by the write error": "0"} {
		t.Run(name, func(t *testing.T) {
			disk := smallDisk(t, "24m")
			b := open(t, fmt.Sprintf("journal: {dir: %s, min_free: %q}\n%s", filepath.Join(disk, "journal"), minFree, oneSource), nil)
			stored := map[int64]string{}
			for n := range 20 {
				id := fmt.Sprintf("before-%d", n)
				stored[b.mustStore("demo", "user_created", id, filler(n, 50<<10))] = id
			}
			ballast := filepath.Join(disk, "ballast")
			if err := exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=64k").Run(); err == nil {
				t.Fatal("the disk took everything")
			}
			wantUnavailable(t, b.fill(t, "while-full"), "JOURNAL_FULL")
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			b.recovers(t, "after")
			for sequence, id := range stored {
				e, err := b.client.GetEvent(t.Context(), &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: sequence}})
				if err != nil || e.GetEvent().GetId() != id {
					t.Errorf("%s at %d is not there any more: %v", id, sequence, err)
				}
			}
		})
	}
}

// A bridge starts on a file system without a free byte, after a stop or a kill: deliveries get 503, what is stored can be read and streamed,
// it stops in order, and when there is room it takes deliveries again by itself and knows those that it has. What a crash cut off is not
// seen meanwhile, and is finished when there is room.
func TestStartOnFullFileSystem(t *testing.T) {
	for name, tc := range map[string]struct {
		killed bool
		// Which records a crash left, and what is in files of the journal's folder.
		records map[string]proto.Message
		files   map[string]string
		// Which dead letters audit is to have, and gone, if it was not deleted.
		letters, gone []int64
		// Which number the next event gets.
		next int64
	}{
		"stopped": {letters: []int64{1, 2}, gone: []int64{3}, next: 6},
		"killed":  {killed: true, letters: []int64{1, 2}, gone: []int64{3}, next: 6},
		"amid a deletion": {
			records: map[string]proto.Message{"deleted/gone": &storagev1.DeletedSubscription{Format: 1, Name: "gone"}, "subscription/gone": nil},
			letters: []int64{1, 2}, next: 6,
		},
		"amid an erasure": {
			records: map[string]proto.Message{"erased": &storagev1.ErasedEvents{Format: 1, Sequences: []int64{2}}},
			letters: []int64{1}, gone: []int64{3}, next: 6,
		},
		"amid both and killed": {
			killed: true,
			records: map[string]proto.Message{
				"deleted/gone": &storagev1.DeletedSubscription{Format: 1, Name: "gone"}, "subscription/gone": nil,
				"erased": &storagev1.ErasedEvents{Format: 1, Sequences: []int64{1}},
			},
			letters: []int64{2}, next: 6,
		},
		"with a removed dead letter that came back": {
			files: map[string]string{"dead_letters": "4\n1 2\n"}, letters: []int64{2}, gone: []int64{3}, next: 6,
		},
		"short of what it had come to": {
			files: map[string]string{"end": "50\n", "dead_letters": "40\n"}, letters: []int64{1, 2}, gone: []int64{3}, next: 50,
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := smallDisk(t, "48m")
			at := func(folder string) string {
				return fmt.Sprintf("%sjournal: {dir: %s, min_free: \"0\"}\n%s", freePorts, filepath.Join(disk, folder), oneSource)
			}
			b := openFile(t, at("journal"), nil)
			first := filler(1, 50<<10)
			b.mustStore("demo", "user_created", "before-1", first)
			for n := 2; n <= 5; n++ {
				b.mustStore("demo", "user_created", fmt.Sprintf("before-%d", n), filler(n, 50<<10))
			}
			next, leave := b.follow(&hookbridgev1.SubscribeRequest{Subscription: "billing"})
			b.acknowledge("billing", next().GetAckId())
			leave()
			b.giveUp("audit", 2)
			b.giveUp("gone", 1)
			folder := filepath.Join(disk, "journal")
			if tc.killed {
				killed := filepath.Join(disk, "killed")
				if err := os.CopyFS(killed, os.DirFS(folder)); err != nil {
					t.Fatal(err)
				}
				folder = killed
			}
			b.stop()
			if tc.killed {
				if err := os.WriteFile(b.path, []byte(at("killed")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			leaveRecords(t, folder, tc.records)
			for name, content := range tc.files {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ballast := filepath.Join(disk, "ballast")
			if err := exec.Command("dd", "if=/dev/zero", "of="+ballast, "bs=4k").Run(); err == nil {
				t.Fatal("the disk took everything")
			}
			for range 2 {
				b.start()
				wantUnavailable(t, b.post("demo", "user_created", "while-full", userCreated(1), nil), "JOURNAL_FULL")
				if status, text := b.page(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "journal is full") {
					t.Errorf("readyz: %d %s", status, text)
				}
				if page, err := b.client.ListEvents(t.Context(), &hookbridgev1.ListEventsRequest{PageSize: 10}); err != nil || len(page.GetEvents()) != 5 {
					t.Errorf("want five events, got %d, %v", len(page.GetEvents()), err)
				}
				if got := b.content(1); !bytes.Equal(got, first) {
					t.Errorf("the content of the first event has %d bytes, want %d", len(got), len(first))
				}
				// The first was acknowledged, and that holds.
				for subscription, sequence := range map[string]int64{"": 1, "billing": 2} {
					next, leave := b.follow(&hookbridgev1.SubscribeRequest{Subscription: subscription})
					if got := next().GetEvent().GetSequence(); got != sequence {
						t.Errorf("subscription %q: want event %d first, got %d", subscription, sequence, got)
					}
					leave()
				}
				b.wantLetters("audit", tc.letters)
				if tc.gone == nil {
					b.wantDeleted("gone")
				} else {
					b.wantLetters("gone", tc.gone)
				}
				b.stop()
			}
			b.start()
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			b.recovers(t, "after")
			for n := 1; n <= 5; n++ {
				a := b.post("demo", "user_created", fmt.Sprintf("before-%d", n), userCreated(1), nil)
				if a.status != http.StatusOK || !a.receipt.Duplicate || a.receipt.Sequence != int64(n) {
					t.Errorf("want a duplicate of %d, got %d %s", n, a.status, a.text)
				}
			}
			if a := b.post("demo", "user_created", "after", userCreated(1), nil); !a.receipt.Duplicate || a.receipt.Sequence != tc.next {
				t.Errorf("want a duplicate of %d, got %d %s", tc.next, a.status, a.text)
			}
			if status, text := b.page(t, "/readyz"); status != http.StatusOK {
				t.Errorf("readyz: %d %s", status, text)
			}
			b.wantLetters("audit", tc.letters)
			if tc.gone == nil {
				b.recreates("gone")
			}
			all := slices.Concat(tc.letters, tc.gone)
			b.stores(t, len(all))
			b.stop()
			wantFinished(t, folder, all)
		})
	}
}

// smallDisk mounts a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a file system can't be mounted here (it takes root): %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}
