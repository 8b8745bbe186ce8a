package journal

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// A record that this program didn't write is refused or read, and never more than that; one that it wrote is read as it was.
func FuzzRecord(f *testing.F) {
	c := &codec{}
	f.Add(c.encode(&Entry{Source: "demo", Type: "push", ID: "1", Event: []byte("event"), Content: bytes.Repeat([]byte("content"), 100), BodyBytes: 700, DedupeWindow: -1}))
	f.Add(c.encode(&Entry{}))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := decode(7, payload, names{}); err != nil {
			return
		}
		e := &Entry{Source: "demo", Type: string(payload), ID: string(payload), Event: payload, DedupeWindow: -1}
		d, err := decode(7, c.encode(e), names{})
		if err != nil || !bytes.Equal(d.Event, payload) || d.ID != string(payload) {
			t.Errorf("what was encoded is read as %v, %v", d, err)
		}
		// A copy of it is the same event.
		d.Time = time.Unix(0, 12345)
		again, err := UnmarshalStored(7, d.Marshal())
		if err != nil || !reflect.DeepEqual(again, &d.Stored) {
			t.Errorf("the copy of %+v is read as %+v, %v", d.Stored, again, err)
		}
	})
}
