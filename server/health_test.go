package server_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

// Every service that the port serves, as reflection names them, has the health of the whole: clients that ask for the one that they call
// (healthCheckConfig.serviceName) find it well. It is what is served that decides, and no other name is known.
func TestEveryServiceHasTheHealthOfTheWhole(t *testing.T) {
	b := open(t, oneSource, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := healthpb.NewHealthClient(b.conn)
	names := append([]string{""}, b.services(t)...)
	if !slices.Contains(names, "hookbridge.v1.EventService") {
		t.Fatalf("reflection names %q", names)
	}
	for _, name := range names {
		if h, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: name}); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", name, h.GetStatus(), err)
		}
	}
	if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "hookbridge.v1.IngestService"}); status.Code(err) != codes.NotFound {
		t.Errorf("a service that is not served: %v", err)
	}
	list, err := client.List(ctx, &healthpb.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(list.GetStatuses()))); diff != "" {
		t.Errorf("the list (-want +got)\n%s", diff)
	}
}

// Who watches the health of a service, or of the whole, is told when the bridge shuts down, and doesn't keep it from that.
func TestWatchersOfHealthSeeTheShutdown(t *testing.T) {
	b := open(t, oneSource, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	upload := b.upload(t) // keeps the bridge from being done at once
	watches := map[string]healthpb.Health_WatchClient{}
	for _, name := range []string{"", "hookbridge.v1.EventService"} {
		stream, err := healthpb.NewHealthClient(b.conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: name})
		if err != nil {
			t.Fatal(err)
		}
		watches[name] = stream
		if h, err := stream.Recv(); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Fatalf("%q: %v, %v", name, h.GetStatus(), err)
		}
	}
	b.interrupt()
	for name, stream := range watches {
		if h, err := stream.Recv(); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("%q: %v, %v", name, h.GetStatus(), err)
		}
	}
	if got := upload.finish(t); got.StatusCode != 200 {
		t.Errorf("the delivery that was running: %d", got.StatusCode)
	}
	for name, stream := range watches {
		if h, err := stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("%q: %v, %v", name, h.GetStatus(), err)
		}
	}
	if err := b.ended(); err != nil {
		t.Errorf("the bridge ended with %v", err)
	}
}

// services are those that the port serves.
func (b *bridge) services(t *testing.T) (names []string) {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(b.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return names
}
