package auth

import (
	"fmt"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// rule is what a method asks of its caller before it is called. What hangs on the events themselves the service asks of From(ctx).
type rule struct {
	// open methods are everybody's, unknown callers included.
	open bool
	// check is nil where any principal may call. The request is nil for streams.
	check func(p *Principal, request any) error
}

// named is a request about a subscription.
type named interface{ GetName() string }

// about is a request about a subscription, too.
type about interface{ GetSubscription() string }

// made is a request with the subscription in it.
type made interface {
	GetSubscription() *hookbridgev1.Subscription
}

// rules has every method that is served. One that is not in it is refused.
func rules() map[string]rule {
	open, principal := rule{open: true}, rule{}
	use, manage, look := rule{check: mayUse}, rule{check: mayManage}, rule{check: mayLook}
	return map[string]rule{
		// Load balancers ask for health, and have no credentials.
		healthpb.Health_Check_FullMethodName: open,
		healthpb.Health_List_FullMethodName:  open,
		healthpb.Health_Watch_FullMethodName: open,

		reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName: principal,
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":  principal,
		hookbridgev1.SchemaService_ListEventTypes_FullMethodName:          principal,
		hookbridgev1.SchemaService_GetDescriptorSet_FullMethodName:        principal,

		// These see to sources and types by themselves, Subscribe to the subscription as well.
		hookbridgev1.EventService_Subscribe_FullMethodName:       principal,
		hookbridgev1.EventService_GetEvent_FullMethodName:        principal,
		hookbridgev1.EventService_ListEvents_FullMethodName:      principal,
		hookbridgev1.EventService_GetEventContent_FullMethodName: principal,
		hookbridgev1.EventService_Acknowledge_FullMethodName:     use,
		hookbridgev1.EventService_Reject_FullMethodName:          use,
		hookbridgev1.EventService_ExtendDeadline_FullMethodName:  use,
		hookbridgev1.EventService_EraseEvent_FullMethodName:      manage,

		// What was refused can be of any source, and of none.
		hookbridgev1.SourceService_ListSources_FullMethodName:      manage,
		hookbridgev1.SourceService_OpenCapture_FullMethodName:      manage,
		hookbridgev1.SourceService_ListRejections_FullMethodName:   manage,
		hookbridgev1.SourceService_FollowRejections_FullMethodName: manage,

		hookbridgev1.SubscriptionService_CreateSubscription_FullMethodName: manage,
		hookbridgev1.SubscriptionService_GetSubscription_FullMethodName:    look,
		// It lists what the caller may look at.
		hookbridgev1.SubscriptionService_ListSubscriptions_FullMethodName:  principal,
		hookbridgev1.SubscriptionService_UpdateSubscription_FullMethodName: manage,
		hookbridgev1.SubscriptionService_DeleteSubscription_FullMethodName: manage,
		hookbridgev1.SubscriptionService_PauseSubscription_FullMethodName:  manage,
		hookbridgev1.SubscriptionService_ResumeSubscription_FullMethodName: manage,
		hookbridgev1.SubscriptionService_SeekSubscription_FullMethodName:   manage,
		// It shows the dead letters that the caller may read.
		hookbridgev1.SubscriptionService_ListDeadLetters_FullMethodName:    use,
		hookbridgev1.SubscriptionService_RedriveDeadLetters_FullMethodName: manage,
		hookbridgev1.SubscriptionService_PurgeDeadLetters_FullMethodName:   manage,
		hookbridgev1.SubscriptionService_StartReplay_FullMethodName:        manage,
		hookbridgev1.SubscriptionService_CancelReplay_FullMethodName:       manage,
	}
}

// subscriptionOf returns which subscription a request is about; false for none.
func subscriptionOf(request any) (string, bool) {
	switch r := request.(type) {
	case made:
		return r.GetSubscription().GetName(), true
	case about:
		return r.GetSubscription(), true
	case named:
		return r.GetName(), true
	}
	return "", false
}

// mayUse asks for the grant of the request's subscription.
func mayUse(p *Principal, request any) error {
	name, ok := subscriptionOf(request)
	if !ok {
		return fmt.Errorf("a %T is about no subscription", request)
	}
	return p.MayUse(name)
}

// mayManage asks for the grant to manage, and for that of the subscription where the request is about one.
func mayManage(p *Principal, request any) error {
	if err := p.MayManage(); err != nil {
		return err
	}
	if name, ok := subscriptionOf(request); ok {
		return p.MayUse(name)
	}
	return nil
}

// mayLook asks for either of them.
func mayLook(p *Principal, request any) error {
	name, _ := subscriptionOf(request)
	return p.MayLook(name)
}
