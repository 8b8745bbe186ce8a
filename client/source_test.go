package client_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A source that the bridge doesn't have is told when the stream stands, and logged. It ends nothing: the source may come later.
func TestSourcesThatAreNotThereAreTold(t *testing.T) {
	b := open(t)
	var log bytes.Buffer
	c := b.dial(client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	stands := make(chan *hookbridgev1.Confirmed, 1)
	r := subscribe(t, c, "", client.Sources("demo", "nope", "d*"), client.Otherwise(client.Skip),
		client.OnConnected(func(c *hookbridgev1.Confirmed) { stands <- c }))
	if got, want := next(t, stands).GetUnknownSources(), []string{"nope"}; !slices.Equal(got, want) {
		t.Errorf("unknown are %q, want %q", got, want)
	}
	r.stop()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, " level=WARN msg=\"the bridge has no such source now; nothing comes from it until it has\" source=nope\n") {
		t.Errorf("logged is %s", got)
	}
}
