// Package gateway turns a verified delivery into a typed gRPC call, with grpc-gateway: the route, the JSON and the call come
// from hookbridge.v1.IngestService and its HTTP annotation.
//
// A sender's request ends at the edge. What goes through the mux is a new request with a method, a path and a body reader that
// carries the verified delivery; no header, query or trailer of the sender's is in it, so nothing that the runtime would
// honour (Grpc-Timeout, Grpc-Metadata-*, X-HTTP-Method-Override, Authorization) can reach it. The marshaler decodes that reader and
// no other: a request that came in any other way is refused as a defect.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

const (
	// largeDocument is the size from which decoding takes part in the budget.
	largeDocument = 256 << 10
	// decodeBudget bounds the bytes of large documents that are decoded at the same time: a decoded document takes many times
	// its size in memory.
	decodeBudget = 32 << 20
)

// Decode turns a JSON document into the event's data. It never fails: what can't be decoded is a state.
type Decode func(provider, typ string, document []byte) (data *anypb.Any, decoding *hookbridgev1.Decoding, notJSON bool)

// Config is what a Gateway needs.
type Config struct {
	// Ingest is the in-process channel to the ingest service, with its interceptors.
	Ingest grpc.ClientConnInterface
	Decode Decode
}

// Gateway makes calls out of verified deliveries.
type Gateway struct {
	mux    *runtime.ServeMux
	decode Decode
	large  *semaphore.Weighted
	// blank is what all new requests have in common.
	blank *http.Request
}

// New returns a gateway.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{decode: cfg.Decode, large: semaphore.NewWeighted(decodeBudget)}
	g.blank = &http.Request{Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	g.mux = runtime.NewServeMux(
		// The only marshaler: it takes verified deliveries and writes receipts.
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler{gateway: g}),
		// Nothing of the request's header becomes metadata, whatever it is called,
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		// nor the other way round.
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		// The method is the one that the edge wrote.
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisablePathLengthFallback(),
		// Errors go back to the edge, which tells the sender.
		runtime.WithErrorHandler(keepError),
		runtime.WithRoutingErrorHandler(keepRoutingError),
		runtime.WithForwardResponseOption(tellStored),
		// A receipt is short; its length is known.
		runtime.WithWriteContentLength(),
	)
	client := hookbridgev1.NewIngestServiceClient(cfg.Ingest)
	if err := hookbridgev1.RegisterIngestServiceHandlerClient(context.Background(), g.mux, client); err != nil {
		return nil, fmt.Errorf("register the ingest route: %w", err)
	}
	return g, nil
}

// ServeDelivery ingests a verified delivery and writes the receipt; a writer that is a delivery.Told is told first whether anything was
// new. On an error it has written nothing: the edge tells the sender. The context is the delivery's.
func (g *Gateway) ServeDelivery(ctx context.Context, w http.ResponseWriter, d *delivery.Delivery) error {
	body := &carrier{ctx: ctx, delivery: d}
	r := g.blank.WithContext(ctx)
	body.url.Path = "/webhooks/" + d.Source
	if d.List {
		body.url.Path += "/batch"
	}
	r.URL, r.Body = &body.url, body
	g.mux.ServeHTTP(w, r)
	return body.failure
}

// carrier is the body of the new request: it carries the delivery and has no bytes.
type carrier struct {
	ctx      context.Context
	delivery *delivery.Delivery
	url      url.URL
	// failure is why there is no receipt. What the generated code makes of an error of the marshaler (InvalidArgument, the
	// sender's fault) doesn't replace it.
	failure error
}

// Read is at the end at once: whoever reads bytes instead of the delivery gets none.
func (*carrier) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing.
func (*carrier) Close() error { return nil }

// tellStored tells the edge, before the receipt is written, whether all of it had been stored before.
func tellStored(_ context.Context, w http.ResponseWriter, m proto.Message) error {
	told, ok := w.(delivery.Told)
	if !ok {
		return nil
	}
	switch r := m.(type) {
	case *hookbridgev1.IngestResponse:
		told.Stored(r.GetDuplicate())
	case *hookbridgev1.IngestBatchResponse:
		told.Stored(r.GetTotal() > 0 && r.GetDuplicates() == r.GetTotal())
	}
	return nil
}

// keepError keeps an error of the call for ServeDelivery. A 4xx goes out only if the fault table said so: a status that isn't from
// it comes from the runtime, and is our defect unless it says that the call was cut off.
func keepError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	c, ok := r.Body.(*carrier)
	switch {
	case !ok:
		fault.WriteHTTP(w, errForeign, requestid.From(ctx), 0)
	case c.failure != nil:
	case fault.Known(err):
		c.failure = err
	case status.Code(err) == codes.Canceled, status.Code(err) == codes.DeadlineExceeded:
		// Nobody knows whether the event was stored; the sender's retry finds out.
		c.failure = fmt.Errorf("%w: no answer in time: %v", fault.ErrJournalUnavailable, err)
	default:
		c.failure = fmt.Errorf("ingest call: %v", err)
	}
}

// keepRoutingError is reached only if the edge and the annotation disagree about the path.
func keepRoutingError(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
	keepError(ctx, mux, m, w, r, fmt.Errorf("the ingest route doesn't take %s %s: %d", r.Method, r.URL.Path, status))
}

// errForeign is not io.EOF, which the generated code ignores.
var errForeign = errors.New("the request carries no verified delivery")
