package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// peak is the most memory that a process has had, in bytes.
func (p *process) peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		t.Skipf("this system doesn't tell what memory a process has: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// 256 connections that each send 25 MB without a valid signature, 6.7 GB in all, cost the bridge a small multiple of its budget for
// bodies, for the garbage collector lets a heap double and a body is copied as it grows. Those that find no room are told to come back.
func TestUnsignedBodiesCostBoundedMemory(t *testing.T) {
	connections := 256
	if testing.Short() {
		connections = 64
	}
	const budget, size = 64 << 20, 25 << 20
	config := configFile(t, "")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `http: {listen: "127.0.0.1:0"}`, `http: {listen: "127.0.0.1:0", max_in_flight: 64MiB}`, 1)
	changed = strings.Replace(changed, "provider: hmac,", "provider: hmac, max_body: 25MiB,", 1)
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	bridge := start(t, config)
	before := bridge.peak(t)
	body := bytes.Repeat([]byte("x"), size)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	var mu sync.Mutex
	statuses := map[int]int{}
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			status, err := postUnsigned(t.Context(), client, bridge.http, body)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	grown := bridge.peak(t) - before
	t.Logf("answers by status: %v; memory grew by %d MB over %d MB", statuses, grown>>20, before>>20)
	if statuses[http.StatusUnauthorized]+statuses[http.StatusServiceUnavailable] != connections || statuses[http.StatusUnauthorized] == 0 {
		t.Errorf("want 401, or 503 where there is no room, got %v", statuses)
	}
	if most := int64(6 * budget); grown > most {
		t.Errorf("memory grew by %d bytes, want at most %d", grown, most)
	}
	bridge.stop(t)
}

func postUnsigned(ctx context.Context, client *http.Client, address string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/webhooks/demo", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature", strings.Repeat("0", 64))
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, err
}

// Subscribers that open a stream with the largest windows and never read hold back nobody, and cost the bridge bounded memory,
// whatever is stored meanwhile.
func TestSubscribersThatNeverRead(t *testing.T) {
	events := 4000
	if testing.Short() {
		events = 1000
	}
	const stuck, size, most = 16, 32 << 10, 160 << 20
	// Those that read nothing can't be told that the bridge stops: they are cut off after a quarter of the time.
	bridge := start(t, configFile(t, "shutdown_timeout: 4s\n"))
	conn, err := grpc.NewClient(bridge.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := hookbridgev1.NewEventServiceClient(conn)
	beginning := &hookbridgev1.Start{At: &hookbridgev1.Start_Beginning{Beginning: &emptypb.Empty{}}}
	for n := range stuck {
		// A connection for each: they must not share what a connection may have in flight.
		own, err := grpc.NewClient(bridge.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = own.Close() }()
		_, err = hookbridgev1.NewEventServiceClient(own).Subscribe(t.Context(), &hookbridgev1.SubscribeRequest{
			Subscription: fmt.Sprintf("stuck-%d", n), Start: beginning, MaxOutstandingEvents: 100_000, MaxOutstandingBytes: 256 << 20, IncludeContent: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stream, err := client.Subscribe(t.Context(), &hookbridgev1.SubscribeRequest{Start: beginning})
	if err != nil {
		t.Fatal(err)
	}
	before := bridge.peak(t)
	poster := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: patience}
	defer poster.CloseIdleConnections()
	note := strings.Repeat("n", size)
	var work sync.WaitGroup
	for sender := range 8 {
		work.Go(func() {
			for n := range events / 8 {
				id := fmt.Sprintf("%d-%d", sender, n)
				if _, status, err := deliverBody(t.Context(), poster, bridge.http, id, `{"event":"user_created","user_id":1,"note":"`+id+note+`"}`); err != nil || status != http.StatusOK {
					t.Errorf("%s: %d, %v", id, status, err)
				}
			}
		})
	}
	for got := 0; got < events; {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetDelivery() != nil {
			got++
		}
	}
	work.Wait()
	grown := bridge.peak(t) - before
	t.Logf("%d events of %d kB, %d subscribers that never read: memory grew by %d MB over %d MB", events, size>>10, stuck, grown>>20, before>>20)
	if grown > most {
		t.Errorf("memory grew by %d bytes, want at most %d", grown, most)
	}
	bridge.stop(t)
}
