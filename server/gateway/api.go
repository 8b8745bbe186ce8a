package gateway

import (
	"context"
	"fmt"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// NewAPI returns the API as JSON: the unary calls of EventService, SubscriptionService, SchemaService and SourceService that have an HTTP annotation. Some
// of them change things; whether a request may make them is not looked at here. A query parameter that a call doesn't have is refused.
func NewAPI(services grpc.ClientConnInterface) (http.Handler, error) {
	known, err := newQueries(apiFiles())
	if err != nil {
		return nil, fmt.Errorf("read the routes: %w", err)
	}
	mux := runtime.NewServeMux(
		// Before anything is read of a request: what its query says is understood, or it is refused.
		runtime.WithMiddlewares(known.check),
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: false, Multiline: true, Indent: "  "},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
		}),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(writeRoutingError),
	)
	events := hookbridgev1.NewEventServiceClient(services)
	if err := hookbridgev1.RegisterEventServiceHandlerClient(context.Background(), mux, events); err != nil {
		return nil, fmt.Errorf("register the routes of events: %w", err)
	}
	subscriptions := hookbridgev1.NewSubscriptionServiceClient(services)
	if err := hookbridgev1.RegisterSubscriptionServiceHandlerClient(context.Background(), mux, subscriptions); err != nil {
		return nil, fmt.Errorf("register the routes of subscriptions: %w", err)
	}
	schemas := hookbridgev1.NewSchemaServiceClient(services)
	if err := hookbridgev1.RegisterSchemaServiceHandlerClient(context.Background(), mux, schemas); err != nil {
		return nil, fmt.Errorf("register the routes of the schema: %w", err)
	}
	sources := hookbridgev1.NewSourceServiceClient(services)
	if err := hookbridgev1.RegisterSourceServiceHandlerClient(context.Background(), mux, sources); err != nil {
		return nil, fmt.Errorf("register the routes of sources: %w", err)
	}
	return mux, nil
}

// writeError answers with an error of a call.
func writeError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	fault.WriteHTTP(w, err, requestid.From(ctx), 0)
}

// writeRoutingError answers a path that is there with other methods only, as the runtime can't say that in a status.
func writeRoutingError(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusMethodNotAllowed {
		fault.WriteHTTP(w, fault.Detail(fault.ErrMethod, "there is no %s %s", r.Method, r.URL.Path), requestid.From(ctx), 0)
		return
	}
	runtime.DefaultRoutingErrorHandler(ctx, mux, m, w, r, status)
}
