package auth

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// Every method of the API has a rule, and there are no others but those of health and reflection: a method that is added is refused
// until somebody says who may call it. Ingest is served on no port.
func TestEveryMethodHasARule(t *testing.T) {
	want := []string{
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List", "/grpc.health.v1.Health/Watch",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("hookbridge.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				if service.Name() != "IngestService" {
					want = append(want, fmt.Sprintf("/%s/%s", service.FullName(), service.Methods().Get(j).Name()))
				}
			}
		}
		return true
	})
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(rules())); !slices.Equal(got, want) {
		t.Errorf("rules for\n%q\nwant\n%q", got, want)
	}
}

// What requests name a subscription: the grant is asked for that one, however the field is called.
func TestRulesOfManagement(t *testing.T) {
	name := &hookbridgev1.Subscription{Name: "team"}
	requests := map[string]any{
		hookbridgev1.EventService_Acknowledge_FullMethodName:    &hookbridgev1.AcknowledgeRequest{Subscription: "team"},
		hookbridgev1.EventService_Reject_FullMethodName:         &hookbridgev1.RejectRequest{Subscription: "team"},
		hookbridgev1.EventService_ExtendDeadline_FullMethodName: &hookbridgev1.ExtendDeadlineRequest{Subscription: "team"},
		hookbridgev1.EventService_EraseEvent_FullMethodName:     &hookbridgev1.EraseEventRequest{},

		hookbridgev1.SourceService_ListSources_FullMethodName:    &hookbridgev1.ListSourcesRequest{},
		hookbridgev1.SourceService_OpenCapture_FullMethodName:    &hookbridgev1.OpenCaptureRequest{Source: "team"},
		hookbridgev1.SourceService_ListRejections_FullMethodName: &hookbridgev1.ListRejectionsRequest{Source: "team"},
		// A stream is checked before its request is read.
		hookbridgev1.SourceService_FollowRejections_FullMethodName: nil,

		hookbridgev1.SubscriptionService_CreateSubscription_FullMethodName: &hookbridgev1.CreateSubscriptionRequest{Subscription: name},
		hookbridgev1.SubscriptionService_GetSubscription_FullMethodName:    &hookbridgev1.GetSubscriptionRequest{Name: "team"},
		hookbridgev1.SubscriptionService_UpdateSubscription_FullMethodName: &hookbridgev1.UpdateSubscriptionRequest{Subscription: name},
		hookbridgev1.SubscriptionService_DeleteSubscription_FullMethodName: &hookbridgev1.DeleteSubscriptionRequest{Name: "team"},
		hookbridgev1.SubscriptionService_PauseSubscription_FullMethodName:  &hookbridgev1.PauseSubscriptionRequest{Name: "team"},
		hookbridgev1.SubscriptionService_ResumeSubscription_FullMethodName: &hookbridgev1.ResumeSubscriptionRequest{Name: "team"},
		hookbridgev1.SubscriptionService_SeekSubscription_FullMethodName:   &hookbridgev1.SeekSubscriptionRequest{Name: "team"},
		hookbridgev1.SubscriptionService_ListDeadLetters_FullMethodName:    &hookbridgev1.ListDeadLettersRequest{Subscription: "team"},
		hookbridgev1.SubscriptionService_RedriveDeadLetters_FullMethodName: &hookbridgev1.RedriveDeadLettersRequest{Subscription: "team"},
		hookbridgev1.SubscriptionService_PurgeDeadLetters_FullMethodName:   &hookbridgev1.PurgeDeadLettersRequest{Subscription: "team"},
		hookbridgev1.SubscriptionService_StartReplay_FullMethodName:        &hookbridgev1.StartReplayRequest{Subscription: "team"},
		hookbridgev1.SubscriptionService_CancelReplay_FullMethodName:       &hookbridgev1.CancelReplayRequest{Subscription: "team"},
	}
	user := &Principal{name: "user", grants: Grants{Subscriptions: []string{"team"}}}
	manager := &Principal{name: "manager", grants: Grants{Subscriptions: []string{"other"}, Manage: true}}
	both := &Principal{name: "both", grants: Grants{Subscriptions: []string{"te*"}, Manage: true}}
	const noManage, noTeam = `principal "user" lacks the grant manage`, `principal "manager" lacks the grant subscriptions: "team"`
	checked := 0
	for method, r := range rules() {
		if r.check == nil {
			continue
		}
		checked++
		request, ok := requests[method]
		if !ok {
			t.Errorf("no request for %s", method)
			continue
		}
		wantUser, wantManager := noManage, noTeam
		switch method {
		case hookbridgev1.EventService_Acknowledge_FullMethodName, hookbridgev1.EventService_Reject_FullMethodName,
			hookbridgev1.EventService_ExtendDeadline_FullMethodName, hookbridgev1.SubscriptionService_ListDeadLetters_FullMethodName:
			wantUser = ""
		case hookbridgev1.SubscriptionService_GetSubscription_FullMethodName:
			wantUser, wantManager = "", ""
		case hookbridgev1.EventService_EraseEvent_FullMethodName, hookbridgev1.SourceService_ListSources_FullMethodName,
			hookbridgev1.SourceService_OpenCapture_FullMethodName, hookbridgev1.SourceService_ListRejections_FullMethodName,
			hookbridgev1.SourceService_FollowRejections_FullMethodName:
			wantManager = ""
		}
		for p, want := range map[*Principal]string{user: wantUser, manager: wantManager, both: ""} {
			if got := told(r.check(p, request)); got != want {
				t.Errorf("%s by %s: told %q, want %q", method, p.Name(), got, want)
			}
		}
	}
	if checked != len(requests) {
		t.Errorf("%d rules and %d requests", checked, len(requests))
	}
}
