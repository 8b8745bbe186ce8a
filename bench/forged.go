package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// measureForged compares the latency of verified deliveries with and without forged ones beside them.
func measureForged(ctx context.Context, p *plan, t *table) error {
	return withBridge(ctx, p, func(bridge *process) error {
		verified := func(span time.Duration) (time.Duration, error) {
			answers, err := pace(ctx, bridge.http, verifiedRate, span, nil, func(string) {})
			return quantile(answers.latency, 0.99), err
		}
		var quiet, flooded, burst []time.Duration
		var rates []float64
		for range p.rounds {
			alone, err := verified(p.span)
			if err != nil {
				return err
			}
			for _, beside := range []struct {
				rate, number int
				to           *[]time.Duration
			}{{forgedRate, 0, &flooded}, {0, forgedBurst, &burst}} {
				flood, stop := context.WithCancel(ctx)
				start, sent, done := time.Now(), 0, make(chan error, 1)
				go func() {
					var err error
					sent, err = forge(flood, bridge.http, beside.rate, beside.number)
					done <- err
				}()
				p99, err := verified(p.span)
				stop()
				if err = errors.Join(err, <-done); err != nil {
					return err
				}
				if beside.rate > 0 {
					rates = append(rates, float64(sent)/time.Since(start).Seconds())
				}
				*beside.to = append(*beside.to, p99)
			}
			quiet = append(quiet, alone)
		}
		alone := median(quiet)
		t.add(fmt.Sprintf("POST to 2xx at %d/s, p99", verifiedRate), "%s", ms(alone))
		for _, f := range []struct {
			what string
			p99  time.Duration
		}{
			{fmt.Sprintf("beside %.0f forged a second", median(rates)), median(flooded)}, {fmt.Sprintf("beside %d forged at once", forgedBurst), median(burst)},
		} {
			ratio := float64(f.p99) / float64(alone)
			t.judge("the same "+f.what, fmt.Sprintf("%s, %.2f times", ms(f.p99), ratio), "2 times", ratio <= 2)
		}
		return nil
	})
}
