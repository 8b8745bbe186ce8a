package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// fakeSchema answers with messages of the package acme, and counts how often it was asked.
type fakeSchema struct {
	hookbridgev1.SchemaServiceClient
	messages []string
	err      error
	asked    int
}

func (f *fakeSchema) GetDescriptorSet(
	context.Context, *hookbridgev1.GetDescriptorSetRequest, ...grpc.CallOption,
) (*hookbridgev1.GetDescriptorSetResponse, error) {
	f.asked++
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("acme.proto"), Package: proto.String("acme"), Syntax: proto.String("proto3")}
	for _, name := range f.messages {
		file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{Name: &name})
	}
	return &hookbridgev1.GetDescriptorSetResponse{DescriptorSet: &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}}}, f.err
}

// The bridge is asked when a message is unknown or what is known is old, and not more often than that, however many events come.
func TestHowOftenTheSchemaIsAskedFor(t *testing.T) {
	bridge := &fakeSchema{err: errors.New("down")}
	m := newMessages(bridge)
	now := time.Unix(1700000000, 0)
	m.now = func() time.Time { return now }
	for n, step := range []struct {
		after    time.Duration
		messages []string
		err      error
		want     string // the message
		asked    int
		fails    string
	}{
		{want: "A", asked: 1, err: errors.New("down"), fails: "data of event 1: the message acme.A is not linked here, and the bridge's schema can't be had: down"},
		{want: "A", asked: 1, messages: []string{"A"}, fails: "data of event 1: the message acme.A is not linked here, and the bridge's schema can't be had: down"},
		{after: schemaRetry, want: "A", asked: 2, messages: []string{"A"}},
		{after: schemaRetry, want: "A", asked: 2, messages: []string{"A", "B"}},
		{want: "B", asked: 3, messages: []string{"A", "B"}},
		{want: "C", asked: 3, messages: []string{"A", "B"}, fails: "data of event 1: neither this program nor the bridge knows the message acme.C"},
		{after: schemaAge, want: "A", asked: 4, err: errors.New("down"), messages: []string{"A", "B"}},
		{after: schemaAge, want: "A", asked: 5, messages: []string{"B"}, fails: "data of event 1: neither this program nor the bridge knows the message acme.A"},
	} {
		now = now.Add(step.after)
		bridge.messages, bridge.err = step.messages, step.err
		_, err := m.Data(t.Context(), &hookbridgev1.Event{Sequence: 1, Data: &anypb.Any{TypeUrl: "type.googleapis.com/acme." + step.want}})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != step.fails || bridge.asked != step.asked {
			t.Errorf("step %d: asked %d times, want %d; error %q, want %q", n, bridge.asked, step.asked, got, step.fails)
		}
	}
}
