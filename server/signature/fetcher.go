package signature

import (
	"context"

	"github.com/hookbridge/hookbridge/server/publickey"
)

// Fetcher brings the public keys that providers publish. Package keysource has the real one.
type Fetcher interface {
	// Keys returns the keys of an id that an origin publishes, those without an id among them; for the empty id all. It waits no longer
	// than ctx says. Errors: publickey.ErrUnknown, publickey.ErrUnavailable.
	Keys(ctx context.Context, o publickey.Origin, id string) ([]publickey.Key, error)
}
