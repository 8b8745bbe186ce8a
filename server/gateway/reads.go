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

// NewReads returns the read API as JSON: the unary calls of EventService and SchemaService that have an HTTP annotation.
func NewReads(services grpc.ClientConnInterface) (http.Handler, error) {
	mux := runtime.NewServeMux(
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
	)
	events := hookbridgev1.NewEventServiceClient(services)
	if err := hookbridgev1.RegisterEventServiceHandlerClient(context.Background(), mux, events); err != nil {
		return nil, fmt.Errorf("register the routes of events: %w", err)
	}
	schemas := hookbridgev1.NewSchemaServiceClient(services)
	if err := hookbridgev1.RegisterSchemaServiceHandlerClient(context.Background(), mux, schemas); err != nil {
		return nil, fmt.Errorf("register the routes of the schema: %w", err)
	}
	return mux, nil
}

// writeError answers with an error of a read.
func writeError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	fault.WriteHTTP(w, err, requestid.From(ctx), 0)
}
