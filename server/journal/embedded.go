package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// embedded is the NATS server inside the process. It has no port.
type embedded struct {
	server *server.Server
	log    *serverLog
	store  string
}

const (
	// The account that a server without accounts puts everybody in.
	globalAccount = "$G"
	// Records are bounded by the file store at 32 MiB; the protocol counts headers too.
	serverMaxPayload = MaxRecord + 1<<20
	// What may be under way to a connection before the server takes its reader for dead. Reads are bounded by ours.
	serverMaxPending = 1 << 30
	// How much a stream may buffer between connection and store.
	serverMaxBuffered = 512 << 20
	// The server would compare max_bytes with a share of the disk otherwise. What bounds the store is min_free.
	serverMaxStore = 1 << 60
	// The server's own background sync rewrites and syncs blocks. We sync, and the only rewriting is done at once.
	serverSyncInterval = 10 * 365 * 24 * time.Hour
	serverStartTimeout = 10 * time.Second
)

// startEmbedded starts a server on a store folder. It takes as long as recovering the store does.
func startEmbedded(store string, log *serverLog) (*embedded, error) {
	s, err := server.NewServer(&server.Options{
		ServerName:             "hookbridge",
		DontListen:             true,
		JetStream:              true,
		StoreDir:               store,
		JetStreamMaxStore:      serverMaxStore,
		JetStreamMaxMemory:     64 << 20,
		SyncInterval:           serverSyncInterval,
		StreamMaxBufferedMsgs:  1 << 16,
		StreamMaxBufferedSize:  serverMaxBuffered,
		MaxPayload:             serverMaxPayload,
		MaxPending:             serverMaxPending,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded server: %w", err)
	}
	s.SetLoggerV2(log, false, false, false)
	e := &embedded{server: s, log: log, store: store}
	// Recovers the store before it returns.
	s.Start()
	if s.ReadyForConnections(serverStartTimeout) && s.JetStreamEnabled() {
		return e, nil
	}
	e.stop()
	err = errors.New("embedded server did not start")
	if r := log.reason(); r != "" {
		err = fmt.Errorf("%w: %s", err, r)
	}
	return nil, err
}

// dial returns the option that connects inside the process.
func (e *embedded) dial() nats.Option { return nats.InProcessServer(e.server) }

// health returns why a stream can't be written, if the server knows: an error of its file store is final until it is opened
// anew, and a publisher only hears nothing.
func (e *embedded) health(stream string) error {
	return failure(e.server.Healthz(&server.HealthzOptions{Account: globalAccount, Stream: stream, Details: true}))
}

// failure is what a check of the server's health found. That the server was not ready for connections within the millisecond that the
// check gives it says only that the machine is busy: it was ready when it was opened.
func failure(st *server.HealthStatus) error {
	var errs []error
	for _, e := range st.Errors {
		if e.Type != server.HealthzErrorConn {
			errs = append(errs, errors.New(e.Error))
		}
	}
	return errors.Join(errs...)
}

// streamFolder is where the server keeps a stream.
func (e *embedded) streamFolder(stream string) string { return streamFolder(e.store, stream) }

func streamFolder(store, stream string) string {
	return filepath.Join(store, "jetstream", globalAccount, "streams", stream)
}

// stop ends the server. Nothing may be publishing.
func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
