package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/hookbridge/client"
	"github.com/hookbridge/hookbridge/client/clienttest"
)

// A bridge that comes up after hours is found within the longest pauses of the connection and of Subscribe.
func TestABridgeThatComesUpIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := clienttest.New(t, clienttest.Patience(time.Hour))
		b.Down()
		r := subscribe(t, b.Client(), "early", client.Otherwise(client.Skip))
		time.Sleep(5 * time.Hour)
		b.Up()
		up := time.Now()
		b.AwaitSubscribed("early")
		// Each 15 s, and jitter: a half of Subscribe's, a fifth of the connection's.
		if took := time.Since(up); took > 15*time.Second*3/2+15*time.Second*6/5 {
			t.Errorf("found after %v", took)
		}
		r.stop()
	})
}
