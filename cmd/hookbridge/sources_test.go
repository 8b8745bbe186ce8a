package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// sources is a bridge with the source "asana", to which a handshake brings a secret when it was asked so often.
type sources struct {
	hookbridgev1.UnimplementedSourceServiceServer
	mu          sync.Mutex
	asked       int
	comes, ends int
	opened      time.Duration
}

func (s *sources) ListSources(context.Context, *hookbridgev1.ListSourcesRequest) (*hookbridgev1.ListSourcesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	asana := &hookbridgev1.Source{Name: "asana", Provider: "asana"}
	switch {
	case s.comes > 0 && s.asked >= s.comes:
		asana.Secrets, asana.Schemes = 1, []string{"signature"}
	case s.opened > 0 && (s.ends == 0 || s.asked < s.ends):
		asana.CaptureUntil = timestamppb.New(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	}
	return &hookbridgev1.ListSourcesResponse{Sources: []*hookbridgev1.Source{asana, {Name: "github", Provider: "github", Schemes: []string{"sha256", "sha1"}, Secrets: 2}}}, nil
}

func (s *sources) OpenCapture(_ context.Context, req *hookbridgev1.OpenCaptureRequest) (*hookbridgev1.OpenCaptureResponse, error) {
	if req.GetSource() != "asana" {
		return nil, status.Error(codes.FailedPrecondition, "no handshake brings a secret")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = req.GetWindow().AsDuration()
	return &hookbridgev1.OpenCaptureResponse{Until: timestamppb.New(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))}, nil
}

// What is shown of sources, and how the waiting for a secret ends.
func TestSources(t *testing.T) {
	const table = "NAME    PROVIDER  SCHEMES      SECRETS  CAPTURE UNTIL\nasana   asana     -            0        -\ngithub  github    sha256 sha1  2        -\n"
	const waiting = "waiting until TIME for a handshake of asana; create the webhook at asana now\n"
	for _, tc := range []struct {
		args    string
		bridge  *sources
		opened  time.Duration
		out     string
		failure string
	}{
		{"sources", &sources{}, 0, table, ""},
		{"sources list", &sources{}, 0, table, ""},
		{"sources list --json", &sources{}, 0, `{"name":"asana","provider":"asana"}` + "\n" + `{"name":"github","provider":"github","schemes":["sha256","sha1"],"secrets":2}` + "\n", ""},
		{"sources capture asana", &sources{comes: 3}, 10 * time.Minute, waiting + "the secret of asana was captured\n", ""},
		{"sources capture asana --for 5s --json", &sources{comes: 2}, 5 * time.Second, `{"captured":"asana"}` + "\n", ""},
		{"sources capture asana --for 2m", &sources{ends: 2}, 2 * time.Minute, waiting, "no handshake of asana brought a secret; the window is closed"},
		{"sources capture github", &sources{}, 0, "", "the bridge at ADDRESS: no handshake brings a secret"},
		{"sources capture other", &sources{}, 0, "", "the bridge has no source other"},
		{"sources capture asana --for 2h", &sources{}, 0, "", "--for: want from 1s to 1h, got 2h0m0s"},
		{"sources capture", &sources{}, 0, "", "sources capture wants one SOURCE, got 0 arguments"},
		{"sources show", &sources{}, 0, "", `sources wants list or capture, got "show"`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := grpc.NewServer()
			hookbridgev1.RegisterSourceServiceServer(server, tc.bridge)
			done := make(chan error, 1)
			go func() { done <- server.Serve(listener) }()
			t.Cleanup(func() {
				server.Stop()
				if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
					t.Error(err)
				}
			})
			var out bytes.Buffer
			cmd := root()
			cmd.SetOut(&out)
			cmd.SetArgs(append(strings.Fields(tc.args), "--server", listener.Addr().String()))
			failure := ""
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				failure = masked(err.Error())
			}
			if masked(out.String()) != tc.out || failure != tc.failure || tc.bridge.opened != tc.opened {
				t.Errorf("got %q, %q, a window of %v\nwant %q, %q, %v", masked(out.String()), failure, tc.bridge.opened, tc.out, tc.failure, tc.opened)
			}
		})
	}
}
