package journalfake_test

import (
	"testing"

	"github.com/hookbridge/hookbridge/server/journal"
	"github.com/hookbridge/hookbridge/server/journal/journalfake"
	"github.com/hookbridge/hookbridge/server/journal/journaltest"
)

func TestFakeJournal(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journal.Journal { return journalfake.New() })
}
