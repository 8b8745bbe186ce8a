package server

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// A field that IngestRequest gets one day must not be forgotten on the way through the process.
func TestMoveTakesEveryField(t *testing.T) {
	from := &hookbridgev1.IngestRequest{
		Source: "demo", Event: &hookbridgev1.Event{Id: "1"}, Validation: hookbridgev1.Validation_VALIDATION_ENFORCE,
		DedupeWindow: durationpb.New(1), HoldUntil: timestamppb.New(timestamppb.Now().AsTime()), NotJson: true,
	}
	fields := from.ProtoReflect().Descriptor().Fields()
	for n := range fields.Len() {
		if !from.ProtoReflect().Has(fields.Get(n)) {
			t.Errorf("this test doesn't set %s", fields.Get(n).Name())
		}
	}
	to := &hookbridgev1.IngestRequest{}
	if err := move(to, from); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(to, from) {
		var lost []protoreflect.Name
		for n := range fields.Len() {
			if !to.ProtoReflect().Has(fields.Get(n)) {
				lost = append(lost, fields.Get(n).Name())
			}
		}
		t.Errorf("lost on the way: %v", lost)
	}
	response := &hookbridgev1.IngestResponse{Id: "left over"}
	if err := move(response, &hookbridgev1.IngestResponse{Sequence: 7}); err != nil || response.GetId() != "" || response.GetSequence() != 7 {
		t.Errorf("got %v, %v", response, err)
	}
	if err := move(response, from); err == nil {
		t.Error("a request was moved to a response")
	}
}
