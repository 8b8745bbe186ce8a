package subscription

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	storagev1 "github.com/hookbridge/hookbridge/gen/hookbridge/storage/v1"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
)

// cutOff leaves records as a crash amid the deletion of a subscription, or amid the erasure of an event, does.
func cutOff(t *testing.T, j *journalfake.Journal, deleted string, erased int64) {
	t.Helper()
	mark, err := deletedMark(deleted)
	if err != nil {
		t.Fatal(err)
	}
	event, err := proto.Marshal(&storagev1.ErasedEvents{Format: erasedFormat, Sequences: []int64{erased}})
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]byte{deletedPrefix + deleted: mark, recordPrefix + deleted: nil, erasedKey: event}
	if err := j.PutRecords(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// A start on a full disk serves. What a crash cut off is seen by nobody, is not forgotten while any of it can't be done, and is done when
// there is room: not before that is the name of what was deleted free.
func TestWhatWasCutOffIsFinishedWhenThereIsRoom(t *testing.T) {
	bubble(t, func(t *testing.T, b *bridge) {
		b.fill(2, "push")
		for _, name := range []string{"a", "gone"} {
			s, _ := b.subscribe(&hookbridgev1.SubscribeRequest{Subscription: name, Start: beginning()})
			s.rejects(forGood("no"), s.deliveries(2)...)
			s.close()
		}
		elapse(time.Minute)
		j := b.journal.Crash()
		cutOff(t, j, "gone", 1)
		j.FailRecords(journal.ErrFull)
		j.FailDeadLetters(journal.ErrFull)
		full := start(t, j, nil)
		left := []dead{{2, 2, 1, deadForGood, "no"}}
		const deletedAlready = `NotFound SUBSCRIPTION_DELETED: subscription "gone" was deleted`
		serves := func(when string) {
			t.Helper()
			s, _ := full.subscribe(&hookbridgev1.SubscribeRequest{Start: beginning()})
			equal(t, when, short(s.delivery()), run(1, 1, 1, reasonNew))
			s.close()
			_, letters := deadLetters(t, j, "a")
			equal(t, when+", of a", letters, left)
			_, err := full.manage.GetSubscription(t.Context(), &hookbridgev1.GetSubscriptionRequest{Name: "gone"})
			refused(t, err, deletedAlready)
			_, err = full.manage.ListDeadLetters(t.Context(), &hookbridgev1.ListDeadLettersRequest{Subscription: "gone"})
			refused(t, err, deletedAlready)
			_, err = full.manage.RedriveDeadLetters(t.Context(), &hookbridgev1.RedriveDeadLettersRequest{Subscription: "gone", Selection: every()})
			refused(t, err, deletedAlready)
			_, err = full.manage.CreateSubscription(t.Context(), &hookbridgev1.CreateSubscriptionRequest{Subscription: &hookbridgev1.Subscription{Name: "gone"}})
			refused(t, err, `AlreadyExists SUBSCRIPTION_EXISTS: there is a subscription "gone"`)
			equal(t, when+", records", j.Keys(), []string{deletedPrefix + "gone", erasedKey, recordPrefix + "a"})
		}
		serves("on the full disk")
		elapse(time.Hour)
		serves("an hour later")
		j.FailRecords(nil)
		elapse(10 * time.Minute)
		serves("with room for records")
		j.FailDeadLetters(nil)
		elapse(2 * time.Minute)
		equal(t, "records with room", j.Keys(), []string{recordPrefix + "a"})
		full.establish(&hookbridgev1.Subscription{Name: "gone"})
		if err := full.stop(); err != nil {
			t.Fatal(err)
		}
		// Nothing is hidden from who comes after that.
		_, letters := deadLetters(t, j.Crash(), "")
		equal(t, "stored", letters, left)
	})
}

// Where nothing is left but the records of it, a start on a full disk leaves them, and other trouble than that stops it.
func TestRecordsOfWhatWasFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for trouble, serves := range map[error]bool{journal.ErrFull: true, journal.ErrUnavailable: false} {
			j := journalfake.New()
			cutOff(t, j, "gone", 7)
			j.FailRecords(trouble)
			if _, err := New(t.Context(), testConfig(j)); (err == nil) != serves || err != nil && !errors.Is(err, trouble) {
				t.Errorf("%v: got %v", trouble, err)
			}
			equal(t, "records", j.Keys(), []string{deletedPrefix + "gone", erasedKey})
			j.FailRecords(nil)
			if _, err := New(t.Context(), testConfig(j)); err != nil {
				t.Error(err)
			}
			equal(t, "records then", j.Keys(), []string(nil))
		}
	})
}
