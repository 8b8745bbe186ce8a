package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/hookbridge/server/provider"
)

// staleBy is how old a delivery is made by --tamper timestamp: older than any provider tolerates.
const staleBy = 25 * time.Hour

// salvo is how a draft is sent.
type salvo struct {
	count     int
	rate      float64
	duplicate bool
	tamper    string
}

func (s salvo) check() error {
	switch {
	case s.count < 1:
		return usageError{fmt.Errorf("--count wants 1 or more, got %d", s.count)}
	case s.rate < 0:
		return usageError{fmt.Errorf("--rate wants a number of deliveries a second, got %g", s.rate)}
	case !slices.Contains([]string{"", "body", "signature", "timestamp"}, s.tamper):
		return usageError{fmt.Errorf("--tamper wants body, signature or timestamp, got %q", s.tamper)}
	case s.tamper != "" && s.duplicate:
		return usageError{errors.New("--tamper and --duplicate: what is refused has no duplicate")}
	}
	return nil
}

// answered is what came back for one delivery.
type answered struct {
	status int
	body   []byte
	took   time.Duration
}

// duplicate says that the bridge knew it. A provider that is particular about its answers gets the one that it wants, which says nothing: says is
// false then.
func (a answered) duplicate() (is, says bool) {
	var receipt struct{ Duplicate *bool }
	if json.Unmarshal(a.body, &receipt) != nil || receipt.Duplicate == nil {
		return false, false
	}
	return *receipt.Duplicate, true
}

// reason is why the bridge refused it; empty where it doesn't say.
func (a answered) reason() string {
	var refusal struct{ Details []struct{ Reason string } }
	if json.Unmarshal(a.body, &refusal) != nil || len(refusal.Details) == 0 {
		return ""
	}
	return refusal.Details[0].Reason
}

// send sends the draft and prints each answer, or of many how they were answered. What the answers leave open it says to errOut.
func (s salvo) send(ctx context.Context, out, errOut io.Writer, d *draft, id string) error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.authorities}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: sendTimeout}
	pace := rate.NewLimiter(rate.Inf, 1)
	if s.rate > 0 {
		pace = rate.NewLimiter(rate.Limit(s.rate), 1)
	}
	var all []answered
	silent := 0 // answers to second copies that don't say whether they are known
	for n := range s.count {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		own := id
		if own == "" || s.count > 1 {
			own = strings.TrimPrefix(id+"-", "-") + strings.ToLower(rand.Text())
		}
		signed, err := s.sign(d, own)
		if err != nil {
			return err
		}
		for copies := range 2 {
			if copies == 1 && !s.duplicate {
				break
			}
			a, err := transmit(ctx, client, d.to, signed)
			if err != nil {
				return fmt.Errorf("no answer from %s://%s (is the bridge running?): %w", d.to.Scheme, d.to.Host, err)
			}
			all = append(all, a)
			if s.count == 1 {
				if _, err := fmt.Fprintf(out, "%d %s\n", a.status, bytes.TrimSpace(a.body)); err != nil {
					return err
				}
			}
			if err := s.judge(a, copies == 1, d.source); err != nil {
				return fmt.Errorf("delivery %d: %w%s", n+1, err, d.advice(a))
			}
			if _, says := a.duplicate(); copies == 1 && !says {
				silent++
			}
		}
	}
	if s.count > 1 {
		if err := summary(out, all, silent); err != nil {
			return err
		}
	}
	if silent > 0 {
		_, err := fmt.Fprintf(errOut, "hookbridge: the answers that this provider gets don't say whether a copy is known: that it was taken once is not shown here; "+
			"hookbridge events list --source %s shows it\n", d.source.Name())
		return err
	}
	return nil
}

// sign makes the delivery, damaged where that is wanted.
func (s salvo) sign(d *draft, id string) (provider.Signed, error) {
	source, at := d.source, time.Now()
	switch s.tamper {
	case "signature":
		var err error
		if source, err = d.forged(); err != nil {
			return provider.Signed{}, err
		}
	case "timestamp":
		at = at.Add(-staleBy)
	}
	signed, err := source.Deliver(d.called, d.bodyOf(id), d.typ, id, at)
	if err != nil {
		return provider.Signed{}, err
	}
	if s.tamper == "body" {
		signed.Body = append(bytes.Clone(signed.Body), ' ')
	}
	return signed, nil
}

// judge says what is wrong with an answer. What was damaged has to be refused for its signature or its timestamp, and for nothing else.
func (s salvo) judge(a answered, second bool, source *provider.Source) error {
	switch reason := a.reason(); {
	case s.tamper != "" && a.status/100 == 2:
		return fmt.Errorf("the bridge took it, although its %s was damaged: it is not covered by what this provider signs", s.tamper)
	case s.tamper != "" && reason == "" && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, source.FailureStatus()}, a.status):
		return nil // some providers are told no reason
	case s.tamper != "" && !strings.HasPrefix(reason, "SIGNATURE_") && reason != "TIMESTAMP_OUT_OF_TOLERANCE":
		return fmt.Errorf("it was refused, but not because its %s was damaged: %s", s.tamper, strings.TrimSpace(fmt.Sprint(a.status, " ", reason)))
	case s.tamper != "":
		return nil
	case a.status/100 != 2:
		return errors.New("the bridge refused it")
	}
	if is, says := a.duplicate(); second && says && !is {
		return errors.New("the bridge took the second copy for another event")
	}
	return nil
}

// transmit posts a delivery to a URL, with the query that it was signed with.
func transmit(ctx context.Context, client *http.Client, to *url.URL, signed provider.Signed) (answered, error) {
	there := *to
	there.RawQuery = signed.URL.RawQuery
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, there.String(), bytes.NewReader(signed.Body))
	if err != nil {
		return answered{}, err
	}
	req.Header = signed.Header.Clone()
	started := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	const mostShown = 64 << 10
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostShown))
	return answered{status: resp.StatusCode, body: body, took: time.Since(started)}, err
}

// summary says how many deliveries were answered in which way, and how fast.
func summary(out io.Writer, all []answered, silent int) error {
	statuses, duplicates := map[int]int{}, 0
	took := make([]time.Duration, 0, len(all))
	for _, a := range all {
		statuses[a.status]++
		if is, _ := a.duplicate(); is {
			duplicates++
		}
		took = append(took, a.took)
	}
	slices.Sort(took)
	var texts []string
	for status, n := range statuses {
		texts = append(texts, fmt.Sprintf("%d with %d", n, status))
	}
	slices.Sort(texts)
	at := func(q float64) time.Duration {
		return took[min(len(took)-1, int(q*float64(len(took))))].Round(10 * time.Microsecond)
	}
	known := counted(duplicates, "duplicate", "duplicates")
	if silent > 0 {
		known = "duplicates not told"
	}
	_, err := fmt.Fprintf(out, "%s: %s; %s; p50 %v, p99 %v\n", counted(len(all), "delivery", "deliveries"), strings.Join(texts, ", "), known, at(0.5), at(0.99))
	return err
}
