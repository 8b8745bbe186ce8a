package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/hookbridge/client"
	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// membersCommand makes this program the subscribers: in a process of its own, as they are in life. A thousand of them in the process that
// posts would be in the way of its clock.
const membersCommand = "members"

// standing is what the subscribers print when all of them are connected.
const standing = "standing"

// serveMembers subscribes, and says when all stand. Then it is told how many deliveries are to be expected, waits for nearly all of them,
// and prints how long each took. Its arguments are an address, and the numbers of subscriptions, of those that are stuck, and of sources.
func serveMembers(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("%s wants an address and three numbers", membersCommand)
	}
	var numbers [3]int
	for n := range numbers {
		var err error
		if numbers[n], err = strconv.Atoi(args[n+1]); err != nil {
			return err
		}
	}
	m := &members{size: numbers[0], stuck: numbers[1], sources: crowdSources()[:numbers[2]]}
	return m.run(ctx, args[0])
}

// members are the subscribers of a crowd.
type members struct {
	size, stuck int
	sources     []string

	mu        sync.Mutex
	latencies []time.Duration
	failure   error
	received  atomic.Int64
}

// handle takes a delivery.
func (m *members) handle(_ context.Context, e *client.Event) error {
	took, err := sinceSent(e.GetId(), time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latencies, m.failure = append(m.latencies, took), errors.Join(m.failure, err)
	m.received.Add(1)
	return nil
}

func (m *members) run(ctx context.Context, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work, standingBy sync.WaitGroup
	standingBy.Add(m.size)
	failed := make(chan error, m.size)
	var connections []*client.Client
	for n := range m.size {
		if n%streamsPerConnection == 0 {
			connection, err := client.Dial(address)
			if err != nil {
				return err
			}
			connections = append(connections, connection)
		}
		if n < m.stuck/2 {
			work.Go(func() { failed <- unread(ctx, address, fmt.Sprintf("member-%d", n), standingBy.Done) })
			continue
		}
		connection, handle, want := connections[len(connections)-1], m.handle, m.sources
		switch {
		case n < m.stuck:
			// Of the measurement, not of the handler: that one would have as long as the client drains.
			handle = func(context.Context, *client.Event) error { <-ctx.Done(); return ctx.Err() }
		case m.size > crowdShare:
			own := n % len(m.sources)
			want = m.sources[own : own+1]
		}
		work.Go(func() {
			var once sync.Once
			failed <- connection.Subscribe(ctx, fmt.Sprintf("member-%d", n), client.AckBatch(1000, time.Second), client.Sources(want...),
				client.OnConnected(func(*hookbridgev1.Confirmed) { once.Do(standingBy.Done) }), client.Otherwise(handle))
		})
	}
	standingBy.Wait()
	fmt.Println(standing)
	err := m.await(ctx)
	cancel()
	work.Wait()
	close(failed)
	errs := []error{err, m.failure}
	for err := range failed {
		errs = append(errs, err)
	}
	for _, connection := range connections {
		errs = append(errs, connection.Close())
	}
	return errors.Join(append(errs, json.NewEncoder(os.Stdout).Encode(m.latencies))...)
}

// await is told how many deliveries to expect, and waits for nine tenths of them.
func (m *members) await(ctx context.Context) error {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return fmt.Errorf("how many are to be expected: %w", err)
	}
	expected, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(answerTimeout)
	for m.received.Load() < expected*9/10 && ctx.Err() == nil {
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d deliveries to streams only %d came", expected, m.received.Load())
		}
		<-time.After(10 * time.Millisecond)
	}
	return ctx.Err()
}

// unread opens a stream and never reads more than its first message.
func unread(ctx context.Context, address, name string, standing func()) error {
	return dial(address, func(c hookbridgev1.EventServiceClient) error {
		stream, err := c.Subscribe(ctx, &hookbridgev1.SubscribeRequest{Subscription: name})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		standing()
		<-ctx.Done()
		return err
	})
}

// gathered is a process with members.
type gathered struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// gather starts members and returns when all of them stand.
func gather(ctx context.Context, address string, size, stuck, sources int) (*gathered, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &gathered{cmd: exec.CommandContext(ctx, self, membersCommand, address, strconv.Itoa(size), strconv.Itoa(stuck), strconv.Itoa(sources))}
	g.cmd.Stderr = os.Stderr
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	g.stdout = bufio.NewReader(out)
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := g.stdout.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != standing {
		g.kill()
		return nil, errors.Join(fmt.Errorf("the members don't stand: %q", line), err)
	}
	return g, nil
}

// received waits for so many deliveries, ends the members, and returns how long each took.
func (g *gathered) received(expected int) (latencies []time.Duration, err error) {
	_, err = fmt.Fprintln(g.stdin, expected)
	text, readErr := io.ReadAll(g.stdout)
	if err := errors.Join(err, readErr, g.cmd.Wait()); err != nil {
		return nil, err
	}
	return latencies, json.NewDecoder(bytes.NewReader(text)).Decode(&latencies)
}

// kill ends the members without asking them anything.
func (g *gathered) kill() {
	_ = g.cmd.Process.Kill()
	// It says that it was killed.
	_ = g.cmd.Wait()
}
