package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// verifiedRate is how many verified deliveries a second are measured.
	verifiedRate = 200
	// forgedNumber is how many forged ones come beside them, each from an address of its own, as fast as they are refused.
	forgedNumber = 10_000
	// forgedSpan is how long that takes a bridge that answers them at its pace, and a little more.
	forgedSpan = 22 * time.Second
)

// forgeCommand makes this program the sender of forged deliveries: in a process of its own, so that the clock of the verified ones
// doesn't wait for it.
const forgeCommand = "forge"

// serveForgery forges until it is interrupted or has done enough, and prints how many were refused. Its arguments are an address and a
// number of connections.
func serveForgery(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s wants an address and a number of connections", forgeCommand)
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	sent, err := forge(ctx, args[0], connections)
	fmt.Println(sent)
	return err
}

// startForgery starts forging, and returns what ends it and says how many were refused.
func startForgery(ctx context.Context, address string, connections int) (end func() (int, error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, forgeCommand, address, strconv.Itoa(connections))
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (int, error) {
		// It may have ended by itself.
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(out.String()))
	}, nil
}

// forgedRequest is a delivery with a signature that anybody can make up, from an address that a trusted proxy names.
func forgedRequest(host string) (r *request, peer []byte) {
	const header, address = "X-Forwarded-For: ", "10.100.100.100"
	r = newRequest(host)
	for n := range r.signature {
		r.signature[n] = '0'
	}
	wrong := r.bytes
	end := bytes.Index(wrong, []byte("\r\n\r\n"))
	r.bytes = bytes.Join([][]byte{wrong[:end], []byte("\r\n" + header + address), wrong[end:]}, nil)
	at := end + len("\r\n") + len(header)
	return r, r.bytes[at : at+len(address)]
}

// forge sends forged deliveries as fast as they are refused, until the context ends or it was enough, and returns how many were.
func forge(ctx context.Context, address string, connections int) (int, error) {
	var begun, refused atomic.Int64
	var work sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		work.Go(func() {
			errs <- each(context.WithoutCancel(ctx), address, func(c *connection) error {
				request, peer := forgedRequest(address)
				for n := begun.Add(1); n <= forgedNumber && ctx.Err() == nil; n = begun.Add(1) {
					copy(peer, fmt.Sprintf("10.%d.%d.%d", 100+n%100, 100+n/100%100, 100+n/10_000%100))
					if err := c.refused(request.bytes); err != nil {
						return err
					}
					refused.Add(1)
				}
				return nil
			})
		})
	}
	work.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return int(refused.Load()), errors.Join(all...)
}

var unauthorized = []byte("HTTP/1.1 401 ")

// refused sends a request and wants it to be refused.
func (c *connection) refused(request []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	head, err := c.reader.Peek(len(unauthorized))
	if err != nil {
		return err
	}
	if !bytes.Equal(head, unauthorized) {
		return fmt.Errorf("a forged delivery was answered %s", head)
	}
	// What follows has a length, as with every answer.
	if err := readAnswer(c.reader); !errors.Is(err, errStatus) {
		return fmt.Errorf("a forged delivery: %w", err)
	}
	return nil
}

// measureForged compares the latency of verified deliveries with and without forged ones beside them.
func measureForged(ctx context.Context, p *plan, t *table) error {
	return withBridge(ctx, p, func(bridge *process) error {
		floods := []struct {
			what        string
			connections int
			span        time.Duration
		}{
			{"alone", 0, p.span},
			{fmt.Sprintf("beside %d forged over 16 connections", forgedNumber), 16, forgedSpan},
			{fmt.Sprintf("beside %d forged over 256 connections", forgedNumber), 256, forgedSpan},
		}
		p99s := make([][]time.Duration, len(floods))
		for range p.rounds {
			for n, f := range floods {
				end := func() (int, error) { return forgedNumber, nil }
				if f.connections > 0 {
					var err error
					if end, err = startForgery(ctx, bridge.http, f.connections); err != nil {
						return err
					}
				}
				answers, err := pace(ctx, bridge.http, verifiedRate, f.span, nil)
				sent, forgeErr := end()
				if err = errors.Join(err, forgeErr); err != nil {
					return err
				}
				if sent < forgedNumber {
					return fmt.Errorf("%s: only %d were answered in %v", f.what, sent, f.span)
				}
				p99s[n] = append(p99s[n], quantile(answers.latency, 0.99))
			}
		}
		alone := median(p99s[0])
		for n, f := range floods {
			what, p99 := fmt.Sprintf("POST to 2xx at %d/s, p99, %s", verifiedRate, f.what), median(p99s[n])
			if f.connections == 0 {
				t.add(what, "%s", ms(p99))
				continue
			}
			ratio := float64(p99) / float64(alone)
			t.judge(what, fmt.Sprintf("%s  (%.2f times)", ms(p99), ratio), "2 times", ratio <= 2)
		}
		return nil
	})
}
