package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// session is one opening of the store: the server inside the process, or the connection to a cluster, with its streams and
// their group commits. When anything about it is in doubt it is given up as a whole and another one is opened.
type session struct {
	store  *Store
	server *embedded // nil with a cluster
	// What is written and what is read have a connection each, so that neither waits behind the other.
	write, read                  *nats.Conn
	events, records, deadLetters *stream
	// rejections is tried again while it can't be opened. It is never synced.
	rejections ringStream
	// publish takes rejections, one at a time.
	publish jetstream.JetStream
	// replicated says that a read may be answered by a replica that is behind.
	replicated bool

	// behind is why nothing is appended: what debts are for is still to be written, and the index of ids may lack some of what can be read;
	// nil when all is done. Both are set before the session is used.
	behind atomic.Pointer[error]
	debts  []func(context.Context) error

	// bodies are those of events on their way.
	bodies bodies

	eventLog, recordLog, deadLetterLog *committer
	work                               sync.WaitGroup
	stop                               context.CancelFunc // ends what runs beside the commits

	once   sync.Once
	failed chan struct{}
	cause  error // valid when failed is closed
}

const (
	connectTimeout = 5 * time.Second
	// How long one request to the server may take.
	requestTimeout = 10 * time.Second
)

// openSession opens the store and brings index and bounds up to date. Nothing is served before it returns.
func openSession(ctx context.Context, s *Store) (_ *session, err error) {
	c := &session{store: s, failed: make(chan struct{}), stop: func() {}, bodies: bodies{seen: map[bodyName]bool{}}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.connect(); err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	if err := c.openStreams(ctx, background); err != nil {
		return nil, err
	}
	st, err := c.events.state(ctx)
	if err != nil {
		return nil, err
	}
	c.replicated = st.replicas > 1
	if st, err = s.resume(ctx, c, st); err != nil {
		return nil, err
	}
	// Of the session before nothing is under way any more.
	s.usage.allLanded()
	s.usage.set(st.bytes, s.usage.begin())
	s.tail.trim(st.first)
	if err := s.deadLetters.resume(ctx, background, c); err != nil {
		return nil, err
	}
	if c.incomplete() != nil {
		c.work.Go(func() { c.pay(background, st.created) })
	}
	if c.eventLog, err = c.newCommitter(c.events); err != nil {
		return nil, err
	}
	if c.recordLog, err = c.newCommitter(c.records); err != nil {
		return nil, err
	}
	if c.deadLetterLog, err = c.newCommitter(c.deadLetters); err != nil {
		return nil, err
	}
	c.eventLog.prepare = func(units []*unit) int { return s.admit(c, units) }
	c.eventLog.published = func(group []*publication) {
		// One group is under way at a time.
		s.usage.allLanded()
		c.bodies.published(group)
	}
	c.eventLog.committed = func(group []*publication) error { return s.committed(c, group) }
	c.eventLog.observe = s.metrics.commit
	c.deadLetterLog.committed = s.deadLetters.committed
	for _, l := range c.logs() {
		l.run(&c.work)
	}
	if c.server == nil {
		c.work.Go(func() { s.follow(background, c) })
	}
	return c, nil
}

func (c *session) connect() (err error) {
	s := c.store
	url := ""
	options := []nats.Option{
		nats.Name("hookbridge journal"), nats.Timeout(connectTimeout), nats.MaxReconnects(-1),
		// A message must not wait for a connection: it would be stored after its sender was told that it was not.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.log.Warn("journal connection", "error", err)
		}),
	}
	if n := s.cfg.NATS; n != nil {
		url = n.URL
		if n.CredentialsFile != "" {
			options = append(options, nats.UserCredentials(n.CredentialsFile))
		}
	} else {
		if err := removeLeftovers(s.folder.store()); err != nil {
			return err
		}
		if c.server, err = startEmbedded(s.folder.store(), &serverLog{log: s.log}); err != nil {
			return err
		}
		options = append(options, c.server.dial())
	}
	if c.write, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connect to the store: %w", err)
	}
	if limit := c.write.MaxPayload(); limit < serverMaxPayload {
		s.log.Warn("the NATS cluster takes smaller messages than the journal's largest record; what is larger is answered 503",
			"max_payload", limit, "wanted", serverMaxPayload)
	}
	if c.read, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connect to the store: %w", err)
	}
	return nil
}

// openStreams opens the streams. What it begins beside that ends with the background.
func (c *session) openStreams(ctx, background context.Context) error {
	s := c.store
	js, err := jetstream.New(c.read, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	open := func(cfg jetstream.StreamConfig, root, filler string, rewrites bool) (*stream, error) {
		if c.server != nil {
			if err := checkRecovered(ctx, js, c.server.streamFolder(cfg.Name), cfg.Name); err != nil {
				return nil, err
			}
		}
		st, err := c.ensureStream(ctx, background, js, cfg)
		if err != nil {
			return nil, err
		}
		opened := &stream{Stream: st, name: cfg.Name, root: root, filler: root + filler}
		if c.server != nil {
			opened.blocks = newBlocks(s.cfg.disk, c.server.streamFolder(cfg.Name), rewrites)
		}
		return opened, nil
	}
	if c.events, err = open(eventsConfig(&s.cfg), prefix(&s.cfg)+".events.", fillerToken, false); err != nil {
		return err
	}
	if c.records, err = open(recordsConfig(&s.cfg), prefix(&s.cfg)+".records.", fillerToken, true); err != nil {
		return err
	}
	// What is rewritten here is synced by whoever had it rewritten.
	if c.deadLetters, err = open(deadLettersConfig(&s.cfg), prefix(&s.cfg)+".dead_letters.", sideFillerTokens, false); err != nil {
		return err
	}
	if err := c.openRejections(ctx, js, ringPatience); err != nil {
		s.log.Error("the log of refused deliveries can't be opened; the journal goes on without it, and it is tried again", "error", err)
		c.work.Go(func() { c.keepOpening(background, js) })
	}
	if c.publish, err = jetstream.New(c.write, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if c.server == nil {
		return nil
	}
	// A process that was killed leaves bytes that can be read but were never synced. What is readable from here on is on disk.
	return syncTree(s.cfg.disk, s.folder.store())
}

func (c *session) newCommitter(st *stream) (*committer, error) {
	p, err := newPublisher(c.write, st.name, c.server == nil)
	if err != nil {
		return nil, err
	}
	l := &committer{
		queue: newUnitQueue(), publisher: p, timeout: c.store.cfg.PublishTimeout, fail: c.fail,
		health:    func() error { return c.health(st) },
		prepare:   func(units []*unit) int { return len(units) },
		published: func([]*publication) {},
		sync:      func() error { return nil },
		committed: func([]*publication) error { return nil },
		observe:   func(time.Duration, int) {},
	}
	if st.blocks != nil {
		l.sync = st.blocks.sync
	}
	return l, nil
}

// health returns why the store can't be written, if that is known.
func (c *session) health(st *stream) error {
	if c.server == nil {
		return nil
	}
	return c.server.health(st.name)
}

// fail gives the session up.
func (c *session) fail(err error) {
	c.once.Do(func() {
		c.cause = err
		close(c.failed)
	})
}

// drain commits what was appended and takes nothing more. When the context ends first, the rest is refused.
func (c *session) drain(ctx context.Context) error {
	for _, l := range c.logs() {
		l.queue.close(errDrained)
	}
	c.stop()
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	c.abort(fmt.Errorf("%w: shut down before it was committed", ErrUnavailable))
	// A group under way ends with its own timeout.
	<-done
	return fmt.Errorf("drain the journal: %w", ctx.Err())
}

// abort refuses what has not been published.
func (c *session) abort(err error) {
	c.stop()
	for _, l := range c.logs() {
		l.queue.close(err)
	}
}

// close ends the session and waits for all of it.
func (c *session) close() {
	c.abort(ErrUnavailable)
	c.work.Wait()
	// Reads that run don't wait for answers that nobody will give.
	c.fail(ErrUnavailable)
	for _, nc := range []*nats.Conn{c.write, c.read} {
		if nc != nil {
			nc.Close()
		}
	}
	if c.server != nil {
		c.server.stop()
	}
}

// suspects are the files whose sync failed.
func (c *session) suspects() []string {
	var all []string
	for _, st := range c.streams() {
		if st.blocks != nil {
			all = append(all, st.blocks.suspects()...)
		}
	}
	return all
}

// streams are those that were opened.
func (c *session) streams() []*stream {
	return slices.DeleteFunc([]*stream{c.events, c.records, c.deadLetters}, func(st *stream) bool { return st == nil })
}

// logs are the group commits that were made.
func (c *session) logs() []*committer {
	return slices.DeleteFunc([]*committer{c.eventLog, c.recordLog, c.deadLetterLog}, func(l *committer) bool { return l == nil })
}
