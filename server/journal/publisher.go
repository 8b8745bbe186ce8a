package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// publication is one message on its way into a stream, and what became of it.
type publication struct {
	subject   string
	messageID string // the Nats-Msg-Id, only with a cluster
	payload   []byte

	// What the index is to know of an event. A window of 0 means nothing.
	source, id string
	window     time.Duration
	at         time.Time
	// bodyKey is that of the entry, replayOf the first event with it that was there before.
	bodyKey  string
	replayOf int64

	sequence  int64
	duplicate bool
	// err says why this message alone was refused. It is not stored then.
	err error
	// answered says that its acknowledgement or refusal has come.
	answered bool
}

func (p *publication) size() int64 { return recordSize(p.subject, len(p.messageID), len(p.payload)) }

// publisher sends groups of messages to one stream and gathers the acknowledgements. One group is under way at a time.
//
// Where nobody else writes to the stream, it asks for those of the first and the last message of a group only. The stream takes them in
// order and numbers what it stores without gaps: as many numbers as messages mean that all are stored, and which number each has. One
// acknowledgement for each cost two parts in a hundred of a delivery. Where a message is refused alone, which its limits and sizes are compared
// with before, nobody can tell which number is whose: the whole group is in doubt, and the store is opened anew.
type publisher struct {
	nc *nats.Conn
	// shared says that others write to the stream too.
	shared bool
	// ack begins every acknowledgement of a message that was stored, up to its sequence.
	ack []byte
	// inbox begins the subjects of the acknowledgements; what follows is the number of the publication.
	inbox string
	sub   *nats.Subscription

	mu    sync.Mutex
	next  uint64 // the number of the first publication of the group
	group []*publication
	left  int
	done  chan struct{}
}

func newPublisher(nc *nats.Conn, stream string, shared bool) (*publisher, error) {
	p := &publisher{nc: nc, shared: shared, ack: fmt.Appendf(nil, `{"stream":%q,"seq":`, stream), inbox: nc.NewInbox() + "."}
	sub, err := nc.Subscribe(p.inbox+"*", p.receive)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to acknowledgements: %w", err)
	}
	p.sub = sub
	return p, nil
}

// send publishes a group and waits until each message was acknowledged or refused. An error means that the fate of those
// without an answer is unknown. health is asked now and then whether it makes sense to go on waiting.
func (p *publisher) send(group []*publication, timeout time.Duration, health func() error) error {
	done := make(chan struct{})
	p.mu.Lock()
	number := p.next
	p.group, p.left, p.done = group, len(group), done
	if !p.shared {
		p.left = min(len(group), 2)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.next += uint64(len(group))
		p.group, p.done = nil, nil
		p.mu.Unlock()
	}()
	if len(group) == 0 {
		return nil
	}
	for i, m := range group {
		msg := nats.Msg{Subject: m.subject, Data: m.payload}
		if p.shared || i == 0 || i == len(group)-1 {
			msg.Reply = p.inbox + strconv.FormatUint(number+uint64(i), 36)
		}
		if m.messageID != "" {
			msg.Header = nats.Header{nats.MsgIdHdr: {m.messageID}}
		}
		if err := p.nc.PublishMsg(&msg); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	const healthInterval = 100 * time.Millisecond
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		select {
		case <-done:
			return p.settle(group)
		case <-ticker.C:
			if err := health(); err != nil {
				return err
			}
		case <-deadline.C:
			return fmt.Errorf("no acknowledgement within %v", timeout)
		}
	}
}

// settle gives their numbers to the messages between the first and the last one. An error means that not all of them are stored.
func (p *publisher) settle(group []*publication) error {
	if p.shared || len(group) <= 2 {
		return nil
	}
	first, last := group[0], group[len(group)-1]
	if err := errors.Join(first.err, last.err); err != nil {
		return err
	}
	if stored := last.sequence - first.sequence + 1; stored != int64(len(group)) {
		return fmt.Errorf("of %d messages %d were stored", len(group), stored)
	}
	for i, m := range group[1 : len(group)-1] {
		m.sequence = first.sequence + 1 + int64(i)
	}
	return nil
}

// receive takes one acknowledgement.
func (p *publisher) receive(m *nats.Msg) {
	number, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.inbox), 36, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// What is late, of a group given up, wraps around to a huge index.
	i := number - p.next
	if i >= uint64(len(p.group)) || p.group[i].answered {
		return
	}
	p.parse(m, p.group[i])
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

// codeStoreFailed is an error code of JetStream. See server/errors.json of nats-server.
const codeStoreFailed = 10077

func (p *publisher) parse(m *nats.Msg, pub *publication) {
	pub.answered = true
	if rest, ok := bytes.CutPrefix(m.Data, p.ack); ok {
		if digits, ok := bytes.CutSuffix(rest, []byte("}")); ok {
			if seq, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
				pub.sequence = seq
				return
			}
		}
	}
	if m.Header.Get("Status") == "503" {
		pub.err = fmt.Errorf("%w: no stream listens on %s", ErrUnavailable, pub.subject)
		return
	}
	var ack struct {
		Sequence  int64 `json:"seq"`
		Duplicate bool  `json:"duplicate"`
		Error     *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		pub.err = fmt.Errorf("%w: acknowledgement: %w", ErrUnavailable, err)
	case ack.Error == nil:
		pub.sequence, pub.duplicate = ack.Sequence, ack.Duplicate
	default:
		cause := errors.New(ack.Error.Description)
		switch {
		case ack.Error.Code == codeStoreFailed && strings.Contains(ack.Error.Description, "maximum bytes"):
			pub.err = fmt.Errorf("%w: %w", ErrFull, cause)
		default:
			pub.err = fmt.Errorf("%w: %w", ErrUnavailable, cause)
		}
	}
}
