package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// As long as a delivery runs that had begun before the shutdown, who comes is told 503 and when to come again, on a connection that was idle
// as on a new one, and /readyz says why. Each answer closes its connection. What was running is stored, and then nobody listens any more.
func TestWhoComesDuringAShutdownIsToldToComeAgain(t *testing.T) {
	b := open(t, oneSource, nil)
	idle := b.keepAlive(t)
	if resp := idle.post(t); resp.StatusCode != http.StatusOK || resp.Close {
		t.Fatalf("before: status %d, closed %t", resp.StatusCode, resp.Close)
	}
	running := b.upload(t)
	b.shutDown(t)
	status, text := b.ask(http.MethodGet, "/readyz", "")
	if status != http.StatusServiceUnavailable || text != "not ready: shutting down" {
		t.Errorf("/readyz: %d %s", status, text)
	}
	for n := range 3 {
		if a := b.post("demo", "user_created", fmt.Sprint(n), userCreated(1), nil); a.status != 503 || a.retryAfter != "1" || !strings.Contains(a.text, `"SHUTTING_DOWN"`) {
			t.Errorf("a new connection: %d, Retry-After %q, %s", a.status, a.retryAfter, a.text)
		}
	}
	if resp := idle.post(t); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		t.Errorf("an idle connection: %d, closed %t, %v", resp.StatusCode, resp.Close, resp.Header)
	}
	const counted = `hookbridge_deliveries_total{reason="SHUTTING_DOWN",source="demo",status="503"} 4` + "\n"
	if metrics := b.admin(t, "/metrics"); !strings.Contains(metrics, counted) {
		t.Errorf("the metrics don't have %s", counted)
	}
	if resp := running.finish(t); resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("what was running: %d, closed %t", resp.StatusCode, resp.Close)
	}
	if err := b.ended(); err != nil {
		t.Errorf("the bridge ended with %v", err)
	}
	if conn, err := net.Dial("tcp", b.at.HTTP); err == nil {
		_ = conn.Close()
		t.Error("somebody listens still")
	}
	b.start()
	if a := b.post("demo", "user_created", "upload", userCreated(1000), nil); a.status != http.StatusOK || !a.receipt.Duplicate {
		t.Errorf("what was answered 200 is not there after a restart: %d %s", a.status, a.text)
	}
}

// A body that doesn't arrive in the time of the shutdown is cut off, and that is no fault of its sender's: it is told 503 and to send it
// again, the log says so too, and the rejection log, which is of senders' faults, has nothing.
func TestUploadsThatAShutdownCutsOffAreToldToComeAgain(t *testing.T) {
	log := &lines{}
	b := openLogged(t, "journal: {min_free: \"0\"}\nshutdown_timeout: 4s\n"+oneSource, log)
	cut := b.upload(t)
	b.interrupt()
	resp := cut.answer(t)
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !resp.Close || !bytes.Contains(text, []byte(`"SHUTTING_DOWN"`)) {
		t.Errorf("got %d, closed %t, %v, %s, %v", resp.StatusCode, resp.Close, resp.Header, text, err)
	}
	if got := fmt.Sprint(b.ended()); got != "shutdown: deliveries were still running: context deadline exceeded" {
		t.Errorf("the bridge ended with %s", got)
	}
	if all := log.take(); strings.Count(all, `msg="delivery refused" source=demo status=503 reason=SHUTTING_DOWN`) != 1 || strings.Contains(all, "MALFORMED") {
		t.Errorf("it logged %s", all)
	}
	b.start()
	list, err := hookbridgev1.NewSourceServiceClient(b.conn).ListRejections(t.Context(), &hookbridgev1.ListRejectionsRequest{})
	if err != nil || len(list.GetRejections()) != 0 {
		t.Errorf("rejections: %v, %v", list, err)
	}
	if a := b.post("demo", "user_created", "upload", userCreated(1000), nil); a.status != http.StatusOK || a.receipt.Duplicate {
		t.Errorf("it was stored: %d %s", a.status, a.text)
	}
}

// shutDown begins a shutdown, and returns when the bridge has said so.
func (b *bridge) shutDown(t *testing.T) {
	t.Helper()
	watch, err := healthpb.NewHealthClient(b.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for want := healthpb.HealthCheckResponse_SERVING; ; want = healthpb.HealthCheckResponse_NOT_SERVING {
		if h, err := watch.Recv(); err != nil || h.GetStatus() != want {
			t.Fatalf("want %v, got %v, %v", want, h.GetStatus(), err)
		}
		if want == healthpb.HealthCheckResponse_NOT_SERVING {
			return
		}
		b.interrupt()
	}
}

// kept is a connection that deliveries are posted on, one after the other.
type kept struct {
	b    *bridge
	conn net.Conn
	in   *bufio.Reader
}

func (b *bridge) keepAlive(t *testing.T) *kept {
	t.Helper()
	conn := dialFor(t, b.at.HTTP)
	return &kept{b, conn, bufio.NewReader(conn)}
}

// post posts a delivery, and reads the answer whole.
func (k *kept) post(t *testing.T) *http.Response {
	t.Helper()
	if _, err := k.conn.Write(k.b.signed(t, "kept", userCreated(1))); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp
}
