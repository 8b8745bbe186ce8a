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
	// forgedRate is how many forged ones a second come beside them, and forgedBurst how many at once, each from an address of its own.
	forgedRate, forgedBurst = 10_000, 10_000
	forgers                 = 16
)

// forgeCommand makes this program the sender of forged deliveries: in a process of its own, so that the clock of the verified ones
// doesn't wait for it.
const forgeCommand = "forge"

// serveForgery forges until it is interrupted, and prints how many were sent. Its arguments are an address, a rate and a number.
func serveForgery(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%s wants an address, a rate and a number", forgeCommand)
	}
	rate, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	sent, err := forge(ctx, args[0], rate, number)
	fmt.Println(sent)
	return err
}

// startForgery starts forging, and returns what ends it and says how many were sent.
func startForgery(ctx context.Context, address string, rate, number int) (end func() (int, error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, forgeCommand, address, strconv.Itoa(rate), strconv.Itoa(number))
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
	wrong := bytes.Replace(r.bytes, []byte(signature), bytes.Repeat([]byte("0"), len(signature)), 1)
	copy(wrong[bytes.Index(wrong, []byte("000000")):], "sha256=")
	end := bytes.Index(wrong, []byte("\r\n\r\n"))
	r.bytes = bytes.Join([][]byte{wrong[:end], []byte("\r\n" + header + address), wrong[end:]}, nil)
	at := end + len("\r\n") + len(header)
	return r, r.bytes[at : at+len(address)]
}

// forge sends forged deliveries, at a rate or as fast as they are refused, until the context ends or a number was sent, and returns
// how many were.
func forge(ctx context.Context, address string, rate, number int) (int, error) {
	var sent atomic.Int64
	var work sync.WaitGroup
	errs := make(chan error, forgers)
	start := time.Now()
	for range forgers {
		work.Go(func() {
			errs <- each(context.WithoutCancel(ctx), address, func(c *connection) error {
				request, peer := forgedRequest(address)
				for ctx.Err() == nil {
					n := sent.Add(1)
					if number > 0 && n > int64(number) {
						return nil
					}
					// Small waits are coarse: what is late is sent at once.
					if rate > 0 {
						if ahead := time.Duration(n)*time.Second/time.Duration(rate) - time.Since(start); ahead > time.Millisecond {
							<-time.After(ahead)
						}
					}
					copy(peer, fmt.Sprintf("10.%d.%d.%d", 100+n%100, 100+n/100%100, 100+n/10_000%100))
					if err := c.refused(request.bytes); err != nil {
						return err
					}
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
	return int(sent.Load()), errors.Join(all...)
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

// measureForged compares the latency of verified deliveries with and without forged ones beside them. The same flood at a server that
// does nothing but verify shows what of it is the machine's.
func measureForged(ctx context.Context, p *plan, t *table) error {
	limit, err := startLimit(ctx)
	if err != nil {
		return err
	}
	defer limit.kill()
	return withBridge(ctx, p, func(bridge *process) error {
		type flood struct {
			what, address string
			rate, number  int
			p99           []time.Duration
		}
		floods := []*flood{
			{what: "alone"},
			{what: fmt.Sprintf("beside %d forged a second at another server", forgedRate), address: limit.http, rate: forgedRate},
			{what: fmt.Sprintf("beside %d forged a second", forgedRate), address: bridge.http, rate: forgedRate},
			{what: fmt.Sprintf("beside %d forged at once", forgedBurst), address: bridge.http, number: forgedBurst},
		}
		for range p.rounds {
			for _, f := range floods {
				end := func() (int, error) { return 0, nil }
				if f.address != "" {
					var err error
					if end, err = startForgery(ctx, f.address, f.rate, f.number); err != nil {
						return err
					}
				}
				start := time.Now()
				answers, err := pace(ctx, bridge.http, verifiedRate, p.span, nil)
				sent, forgeErr := end()
				if err = errors.Join(err, forgeErr); err != nil {
					return err
				}
				if most := float64(f.rate) * time.Since(start).Seconds(); float64(sent) < most*4/5 {
					return fmt.Errorf("%s: only %d were sent, of %.0f", f.what, sent, most)
				}
				f.p99 = append(f.p99, quantile(answers.latency, 0.99))
			}
		}
		alone := median(floods[0].p99)
		for n, f := range floods {
			what, p99 := fmt.Sprintf("POST to 2xx at %d/s, p99, %s", verifiedRate, f.what), median(f.p99)
			ratio := float64(p99) / float64(alone)
			switch n {
			case 0:
				t.add(what, "%s", ms(p99))
			case 1:
				t.add(what, "%s  (%.2f times)", ms(p99), ratio)
			default:
				t.judge(what, fmt.Sprintf("%s  (%.2f times)", ms(p99), ratio), "2 times", ratio <= 2)
			}
		}
		return nil
	})
}
