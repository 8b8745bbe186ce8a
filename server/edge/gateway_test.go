package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/gateway"
	"github.com/hookbridge/hookbridge/server/provider"
)

// ingest is the other end of the channel.
type ingest struct {
	hookbridgev1.UnsafeIngestServiceServer
	got      *hookbridgev1.IngestRequest
	metadata metadata.MD
	left     time.Duration
}

func (s *ingest) Ingest(ctx context.Context, req *hookbridgev1.IngestRequest) (*hookbridgev1.IngestResponse, error) {
	s.got = req
	s.metadata, _ = metadata.FromIncomingContext(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		s.left = time.Until(deadline)
	}
	return &hookbridgev1.IngestResponse{Id: req.GetEvent().GetId(), Sequence: 7}, nil
}

func (s *ingest) IngestBatch(context.Context, *hookbridgev1.IngestBatchRequest) (*hookbridgev1.IngestBatchResponse, error) {
	return nil, errors.New("no list was sent")
}

// No header, method or parameter of the sender's gets through to the call, whatever the runtime would make of it; what is stored is the
// pack's allow-list, and nothing that is a credential.
func TestNothingOfTheSenderGoesOn(t *testing.T) {
	service := &ingest{}
	channel := &inprocgrpc.Channel{}
	hookbridgev1.RegisterIngestServiceServer(channel, service)
	g, err := gateway.New(gateway.Config{Ingest: channel, Decode: func(string, string, []byte) (*anypb.Any, *hookbridgev1.Decoding, bool) {
		return nil, &hookbridgev1.Decoding{State: hookbridgev1.Decoding_STATE_UNDECODABLE}, false
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, "gitlab", func(s *provider.SourceConfig, c *Config, _ *Endpoint) {
		c.Next = g.ServeDelivery
		s.Secrets = []string{"token-that-is-a-secret"}
	})
	resp, text := b.send(t, `{"object_kind":"push"}`, func(r *http.Request) {
		r.Header.Del("webhook-id")
		r.URL.RawQuery = "source=other&event.id=forged&validation=VALIDATION_ENFORCE"
		for name, value := range map[string]string{
			"Grpc-Timeout": "1n", "Grpc-Metadata-Hookbridge-Request-Id": "forged", "Grpc-Metadata-X": "forged",
			"Grpc-Metadata-Bin-Bin": "AAAA", "Grpcgateway-X": "forged", "Grpc-Encoding": "gzip",
			"X-HTTP-Method-Override": "GET", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "forged", "X-Request-Id": "forged",
			"Authorization": "Bearer hunter2", "Proxy-Authorization": "Basic hunter2", "Cookie": "session=hunter2", "X-Api-Key": "hunter2",
			"Permanent": "forged", "Te": "trailers", "X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": "u-1", "User-Agent": "GitLab/19",
		} {
			r.Header.Set(name, value)
		}
	})
	if resp.StatusCode != 200 || text != `{"id":"u-1","sequence":"7","duplicate":false}`+"\n" {
		t.Fatalf("got %d %q", resp.StatusCode, text)
	}
	b.Close()
	if len(service.metadata) != 0 {
		t.Errorf("metadata %v, want none", service.metadata)
	}
	// GitLab's own deadline, not the nanosecond of Grpc-Timeout.
	if service.left < 5*time.Second || service.left > 10*time.Second {
		t.Errorf("the call had %v left", service.left)
	}
	if service.got.GetSource() != "demo" || service.got.GetEvent().GetId() != "u-1" || service.got.GetValidation() != hookbridgev1.Validation_VALIDATION_OBSERVE {
		t.Errorf("the query got through: %v", service.got)
	}
	var stored []string
	for _, h := range service.got.GetEvent().GetContent().GetHeaders() {
		stored = append(stored, h.GetName()+": "+h.GetValue())
	}
	if diff := cmp.Diff([]string{"User-Agent: GitLab/19", "X-Gitlab-Event: Push Hook", "X-Gitlab-Event-Uuid: u-1"}, stored); diff != "" {
		t.Errorf("stored headers (-want +got)\n%s", diff)
	}
	if whole := service.got.String() + b.log.String() + text; strings.Contains(whole, "hunter2") || strings.Contains(whole, "token-that-is-a-secret") || strings.Contains(whole, "forged") {
		t.Errorf("a credential or something forged got through: %s", whole)
	}
}
