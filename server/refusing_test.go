package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

// sum is an HMAC made by hand.
func sum(key, content string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(content))
	return mac.Sum(nil)
}

// github, stripe, standard and slack sign as those providers do.
func github(key, body string) http.Header {
	return header("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum(key, body)), "X-GitHub-Event", "push", "X-GitHub-Delivery", "d")
}

func stripe(key, body string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return header("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(sum(key, stamp+"."+body)))
}

func standard(key, body string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return header("webhook-id", "msg_1", "webhook-timestamp", stamp, "webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(sum(key, "msg_1."+stamp+"."+body)))
}

func slack(key, body string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return header("X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0="+hex.EncodeToString(sum(key, "v0:"+stamp+":"+body)))
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for n := 0; n < len(pairs); n += 2 {
		h.Set(pairs[n], pairs[n+1])
	}
	return h
}

// refusing is a bridge whose refusals are followed.
type refusing struct {
	*bridge
	sources hookbridgev1.SourceServiceClient
	next    func() *hookbridgev1.RefusedDelivery
	peers   int
}

func openRefusing(t *testing.T, text string, now func() time.Time) *refusing {
	t.Helper()
	b := &refusing{bridge: openFile(t, text, now)}
	b.followRefusals()
	return b
}

func (b *refusing) followRefusals() {
	b.t.Helper()
	b.sources = hookbridgev1.NewSourceServiceClient(b.conn)
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	stream, err := b.sources.FollowRejections(ctx, &hookbridgev1.FollowRejectionsRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	// From here on everything comes.
	if _, err := stream.Header(); err != nil {
		b.t.Fatal(err)
	}
	b.next = func() *hookbridgev1.RefusedDelivery {
		b.t.Helper()
		late := time.AfterFunc(patience, cancel)
		defer late.Stop()
		m, err := stream.Recv()
		if err != nil || m.GetMissed() != 0 {
			b.t.Fatalf("%v, %v", m, err)
		}
		return m.GetRejection()
	}
}

// refuse posts something that must be refused, from an address of its own, and returns what was found out and what the sender was told.
func (b *refusing) refuse(source, body string, h http.Header) (*hookbridgev1.RefusedDelivery, answer) {
	b.t.Helper()
	b.peers++
	peer := fmt.Sprintf("192.0.2.%d", b.peers)
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://"+b.at.HTTP+"/webhooks/"+source, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if req.Header = h.Clone(); h == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("X-Forwarded-For", peer)
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := poster.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		b.t.Fatalf("want it to be refused, got %d %s", resp.StatusCode, text)
	}
	r := b.next()
	var told struct{ Message string }
	if err := json.Unmarshal(text, &told); err != nil {
		b.t.Fatal(err)
	}
	if r.GetPeer() != peer || r.GetRequestId() != resp.Header.Get("X-Request-Id") || int(r.GetStatus()) != resp.StatusCode || r.GetMessage() != told.Message {
		b.t.Errorf("the sender at %s was told %s %d %s; it says %s", peer, resp.Header.Get("X-Request-Id"), resp.StatusCode, text, protojson.Format(r))
	}
	return r, answer{status: resp.StatusCode, text: string(text)}
}

// guideTo is where a provider shows its secret, as its pack has it.
func guideTo(t *testing.T, key string) string {
	t.Helper()
	catalogue, err := provider.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	pack, _ := catalogue.Get(key)
	return pack.Name() + ": " + pack.Spec().GetGuide().GetSecret()
}

// movable is a clock that a test moves while the bridge reads it.
type movable struct{ at atomic.Pointer[time.Time] }

func newMovable(at time.Time) *movable {
	c := &movable{}
	c.at.Store(&at)
	return c
}

// diagnosesOf are the findings, each as its kind and its words.
func diagnosesOf(r *hookbridgev1.RefusedDelivery) []string {
	var list []string
	for _, d := range r.GetDiagnoses() {
		list = append(list, strings.TrimPrefix(d.GetKind().String(), "KIND_")+": "+d.GetMessage())
	}
	return list
}
