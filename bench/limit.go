package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// limitCommand makes this program the server that nothing can be faster than: net/http, reading and verifying, and nothing else; and
// grpc-go, sending one message over and over.
const limitCommand = "limit"

func serveLimit() error {
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	hookbridgev1.RegisterEventServiceServer(server, bareStream{})
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(rpc) }()
	go func() {
		failed <- (&http.Server{Handler: http.HandlerFunc(verifyOnly), ReadHeaderTimeout: 10 * time.Second}).Serve(web)
	}()
	fmt.Printf("  webhooks  http://%s\n  gRPC      %s\n  admin     %s\n", web.Addr(), rpc.Addr(), web.Addr())
	return <-failed
}

// verifyOnly is the least that a webhook receiver does.
func verifyOnly(w http.ResponseWriter, r *http.Request) {
	received, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(received)
	given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The sender may be gone.
	_, _ = io.WriteString(w, `{"id":"0","sequence":"0","duplicate":false}`)
}

// bareStream sends the delivery that it was given as the name of the subscription, as often as its first sequence says.
type bareStream struct {
	hookbridgev1.UnimplementedEventServiceServer
}

// Subscribe streams one message.
func (bareStream) Subscribe(r *hookbridgev1.SubscribeRequest, s grpc.ServerStreamingServer[hookbridgev1.SubscribeResponse]) error {
	m, err := parseSample(r.GetClientName())
	if err != nil {
		return err
	}
	for range r.GetStart().GetSequence() {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}
