package subscription

import (
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

func FuzzAckID(f *testing.F) {
	i := newIssuer("a", [ackNonceSize]byte{1, 2, 3}, 4)
	f.Add(string(i.append(nil, 7, 2, 0)))
	f.Add("nonsense\n")
	f.Fuzz(func(t *testing.T, id string) {
		a, ok := i.parse(id)
		if ok && a.Current && string(i.append(nil, a.Seq, a.Attempt, a.Epoch)) != id {
			t.Errorf("%q is read as %+v, which is written otherwise", id, a)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	c, err := newCursor(&hookbridgev1.ListEventsRequest{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.token(1))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if at, err := c.parse(token); err == nil && (at < 1 || c.token(at) != token) {
			t.Errorf("%q is read as %d", token, at)
		}
	})
}
