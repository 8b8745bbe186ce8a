package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// connection posts over one keep-alive connection. It is written by hand so that making the load costs little of the machine that
// is measured.
type connection struct {
	sender  int64
	conn    net.Conn
	reader  *bufio.Reader
	request *request
	sent    int64
}

// senders numbers connections, so that no two of a run use the same ids.
var senders atomic.Int64

func connect(ctx context.Context, address string) (*connection, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// Ids are unique over runs on the same journal too.
	sender := senders.Add(1)<<20 | time.Now().UnixMicro()&(1<<20-1)
	return &connection{sender: sender, conn: conn, reader: bufio.NewReaderSize(conn, 4<<10), request: newRequest(address)}, nil
}

const answerTimeout = 30 * time.Second

// post delivers one event and checks that it was new.
func (c *connection) post() error {
	c.sent++
	c.request.name(c.sender, c.sent)
	return c.send()
}

// send sends the request as it is.
func (c *connection) send() error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request.bytes); err != nil {
		return err
	}
	return readAnswer(c.reader)
}

var (
	okLine        = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
	duplicate     = []byte(`"duplicate":true`)
)

// errStatus means that an answer was not 200. It was read whole.
var errStatus = errors.New("refused")

// readAnswer reads an answer of which the length is given, and wants it to be 200 and no duplicate.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	status := string(bytes.TrimSpace(line))
	taken, length := bytes.HasPrefix(line, okLine), -1
	for len(line) > 2 {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		if digits, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(digits))); err != nil {
				return fmt.Errorf("content length: %w", err)
			}
		}
	}
	if length < 0 || length > r.Size() {
		return fmt.Errorf("%s: want an answer of a given length, up to %d bytes, got %d", status, r.Size(), length)
	}
	answer, err := r.Peek(length)
	switch {
	case err != nil:
		return err
	case !taken:
		text := bytes.Clone(answer)
		_, err = r.Discard(length)
		return errors.Join(fmt.Errorf("%w: %s: %s", errStatus, status, text), err)
	case bytes.Contains(answer, duplicate):
		return fmt.Errorf("an event that is new was taken for a duplicate: %s", answer)
	}
	_, err = r.Discard(length)
	return err
}

// result is what a load measured.
type result struct {
	posted  int
	took    time.Duration
	latency []time.Duration
}

func (r result) perSecond() float64 { return float64(r.posted) / r.took.Seconds() }

// flood posts over so many connections as fast as answers come, for a time or, if that is more than 0, a number of events.
func flood(ctx context.Context, address string, connections int, span time.Duration, events int) (result, error) {
	var mu sync.Mutex
	var all result
	var errs []error
	var left atomic.Int64
	left.Store(int64(events))
	var work sync.WaitGroup
	start := time.Now()
	for range connections {
		work.Go(func() {
			latency := make([]time.Duration, 0, 1<<12)
			err := each(ctx, address, func(c *connection) error {
				for events > 0 && left.Add(-1) >= 0 || events == 0 && time.Since(start) < span {
					begin := time.Now()
					if err := c.post(); err != nil {
						return err
					}
					latency = append(latency, time.Since(begin))
				}
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			all.posted += len(latency)
			all.latency = append(all.latency, latency...)
			errs = append(errs, err)
		})
	}
	work.Wait()
	all.took = time.Since(start)
	return all, errors.Join(errs...)
}

// each gives a function a connection of its own.
func each(ctx context.Context, address string, f func(*connection) error) error {
	c, err := connect(ctx, address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err = f(c); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, c.conn.Close())
}

// pace posts at a rate, whether answers come or not, over a few connections. Each event's id says when it was sent; see sinceSent. The sources
// take turns; none stands for the usual one.
func pace(ctx context.Context, address string, rate int, span time.Duration, sources []string) (result, error) {
	const connections = 64
	ticks := make(chan struct{}, connections)
	var turn atomic.Uint64
	var mu sync.Mutex
	var all result
	var errs []error
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			err := each(ctx, address, func(c *connection) error {
				for range ticks {
					if len(sources) > 0 {
						copy(c.request.source, sources[turn.Add(1)%uint64(len(sources))])
					}
					begin := time.Now()
					c.request.name(begin.UnixMicro(), paced.Add(1))
					if err := c.send(); err != nil {
						return err
					}
					mu.Lock()
					all.latency = append(all.latency, time.Since(begin))
					mu.Unlock()
				}
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	start := time.Now()
	late := 0
	for n := 0; time.Since(start) < span && ctx.Err() == nil; n++ {
		// Many small waits are coarse: it catches up with the clock instead.
		if ahead := time.Duration(n)*time.Second/time.Duration(rate) - time.Since(start); ahead > 0 {
			timer := time.NewTimer(ahead)
			<-timer.C
		}
		select {
		case ticks <- struct{}{}:
		default:
			late++
		}
	}
	close(ticks)
	work.Wait()
	all.posted, all.took = len(all.latency), time.Since(start)
	if late > 0 {
		errs = append(errs, fmt.Errorf("%d events could not be sent in time at %d a second", late, rate))
	}
	return all, errors.Join(errs...)
}

// paced numbers the events of pace.
var paced atomic.Int64

// sinceSent is how long ago an event of pace was sent, by its id; any process of this machine can tell.
func sinceSent(id string, now time.Time) (time.Duration, error) {
	if len(id) != idLength {
		return 0, fmt.Errorf("want an id of %d digits, got %q", idLength, id)
	}
	micros, err := strconv.ParseInt(id[:idLength/2], 16, 64)
	if err != nil {
		return 0, err
	}
	const mask = 1<<(idLength/2*4) - 1
	return time.Duration((now.UnixMicro()-micros)&mask) * time.Microsecond, nil
}
