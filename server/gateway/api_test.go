package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// reads records the last request that came through, of any call that it takes.
type reads struct {
	hookbridgev1.UnimplementedEventServiceServer
	hookbridgev1.UnimplementedSubscriptionServiceServer
	hookbridgev1.UnimplementedSourceServiceServer
	hookbridgev1.UnimplementedSchemaServiceServer
	got proto.Message
}

func (s *reads) ListEvents(_ context.Context, req *hookbridgev1.ListEventsRequest) (*hookbridgev1.ListEventsResponse, error) {
	s.got = req
	return &hookbridgev1.ListEventsResponse{}, nil
}

func (s *reads) GetEvent(_ context.Context, req *hookbridgev1.GetEventRequest) (*hookbridgev1.GetEventResponse, error) {
	s.got = req
	return &hookbridgev1.GetEventResponse{}, nil
}

func (s *reads) ListDeadLetters(_ context.Context, req *hookbridgev1.ListDeadLettersRequest) (*hookbridgev1.ListDeadLettersResponse, error) {
	s.got = req
	return &hookbridgev1.ListDeadLettersResponse{}, nil
}

func (s *reads) GetSubscription(_ context.Context, req *hookbridgev1.GetSubscriptionRequest) (*hookbridgev1.GetSubscriptionResponse, error) {
	s.got = req
	return &hookbridgev1.GetSubscriptionResponse{}, nil
}

func (s *reads) PauseSubscription(_ context.Context, req *hookbridgev1.PauseSubscriptionRequest) (*hookbridgev1.PauseSubscriptionResponse, error) {
	s.got = req
	return &hookbridgev1.PauseSubscriptionResponse{}, nil
}

func (s *reads) ListSources(_ context.Context, req *hookbridgev1.ListSourcesRequest) (*hookbridgev1.ListSourcesResponse, error) {
	s.got = req
	return &hookbridgev1.ListSourcesResponse{}, nil
}

func openAPI(t *testing.T) (http.Handler, *reads) {
	t.Helper()
	s, channel := &reads{}, &inprocgrpc.Channel{}
	hookbridgev1.RegisterEventServiceServer(channel, s)
	hookbridgev1.RegisterSubscriptionServiceServer(channel, s)
	hookbridgev1.RegisterSourceServiceServer(channel, s)
	hookbridgev1.RegisterSchemaServiceServer(channel, s)
	api, err := NewAPI(channel)
	if err != nil {
		t.Fatal(err)
	}
	return api, s
}

// A query says what the call gets, under the names of the proto and of its JSON.
func TestQueryBecomesTheRequest(t *testing.T) {
	since := timestamppb.New(time.Date(2026, 7, 1, 12, 0, 0, 5e8, time.UTC))
	for _, tc := range []struct {
		path string
		want proto.Message
	}{
		{"/v1/events", &hookbridgev1.ListEventsRequest{}},
		{"/v1/events?", &hookbridgev1.ListEventsRequest{}},
		{"/v1/events?filter.sources=a&page_size=2&filter.sources=b&filter.types=x&descending=true&since=2026-07-01T12:00:00.5Z", &hookbridgev1.ListEventsRequest{
			Filter: &hookbridgev1.Filter{Sources: []string{"a", "b"}, Types: []string{"x"}}, PageSize: 2, Descending: true, Since: since,
		}},
		{"/v1/events?pageSize=2&page_token=", &hookbridgev1.ListEventsRequest{PageSize: 2}},
		{"/v1/events/7?include_content=true", &hookbridgev1.GetEventRequest{Event: &hookbridgev1.GetEventRequest_Sequence{Sequence: 7}, IncludeContent: true}},
		{"/v1/sources/a/events/7?include_content=1", &hookbridgev1.GetEventRequest{
			Event: &hookbridgev1.GetEventRequest_Key{Key: &hookbridgev1.EventKey{Source: "a", Id: "7"}}, IncludeContent: true,
		}},
		{"/v1/subscriptions/a/dead-letters?filter.expression=event.id+%3D%3D+%221%22", &hookbridgev1.ListDeadLettersRequest{
			Subscription: "a", Filter: &hookbridgev1.Filter{Expression: `event.id == "1"`},
		}},
		{"/v1/subscriptions/a", &hookbridgev1.GetSubscriptionRequest{Name: "a"}},
		{"/v1/sources", &hookbridgev1.ListSourcesRequest{}},
	} {
		api, s := openAPI(t)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tc.path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", tc.path, w.Code, w.Body)
		}
		if diff := cmp.Diff(tc.want, s.got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.path, diff)
		}
	}
}

// What a call doesn't understand of a query it refuses, by name: a list that isn't filtered must not pass for one that is.
func TestQueryIsUnderstoodOrRefused(t *testing.T) {
	// no is what is said of one parameter, as the text of the answer and as its violation.
	no := func(name, text string) string {
		return `{"code":3,"message":"` + name + `: ` + text + `","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_ARGUMENT","domain":"hookbridge"},` +
			`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"` + name + `","description":"` + text + `"}]}]}` + "\n"
	}
	const (
		unknown = `there is no such query parameter`
		inBody  = `there is no such query parameter; this call takes its fields in the body`
		inPath  = `is in the path and can't be in the query too`
	)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/v1/events?page_size=2&source=orders", no("source", unknown+`; did you mean \"filter.sources\"?`)},
		{"GET", "/v1/events?filter.source=orders", no("filter.source", unknown+`; did you mean \"filter.sources\"?`)},
		{"GET", "/v1/events?sources=orders", no("sources", unknown+`; did you mean \"filter.sources\"?`)},
		{"GET", "/v1/events?type=x", no("type", unknown+`; did you mean \"filter.types\"?`)},
		{"GET", "/v1/events?PageSize=2", no("PageSize", unknown+`; did you mean \"page_size\"?`)},
		{"GET", "/v1/events?bogus=x", no("bogus", unknown)},
		{"GET", "/v1/events?=x", no(`\"\"`, unknown)},
		{"GET", "/v1/events?" + strings.Repeat("a", 100) + "=x", no(strings.Repeat("a", 80)+"...", unknown)},
		{"GET", "/v1/events?a%ff=x", no("a\ufffd", unknown)},
		{"GET", "/v1/events?filter.sources[a]=x", no("filter.sources[a]", unknown+`; did you mean \"filter.sources\"?`)},
		{"GET", "/v1/events?filter=x", no("filter", unknown)},
		{"GET", "/v1/events?since.seconds=5", no("since.seconds", unknown)},
		{"GET", "/v1/rejections?sources=a", no("sources", unknown+`; did you mean \"source\"?`)},
		{"GET", "/v1/event-types?providers=a", no("providers", unknown+`; did you mean \"provider\"?`)},
		{"GET", "/v1/sources?source=a", no("source", unknown)},
		{"GET", "/v1/subscriptions/a?name=b", no("name", inPath)},
		{"GET", "/v1/subscriptions/a/dead-letters?subscription=b", no("subscription", inPath)},
		{"DELETE", "/v1/subscriptions/a?dry_run=1", no("dry_run", unknown)},
		{"DELETE", "/v1/subscriptions/a/replay?subscription=a", no("subscription", inPath)},
		{"GET", "/v1/events/7?sequence=8", no("sequence", inPath)},
		{"GET", "/v1/events/7?key.id=8", no("key.id", unknown)},
		{"GET", "/v1/sources/a/events/7?key.id=8", no("key.id", inPath)},
		{"GET", "/v1/sources/a/events/7?sequence=8", no("sequence", unknown)},
		{"DELETE", "/v1/events/7?sequence=7", no("sequence", inPath)},
		{"POST", "/v1/subscriptions/a/pause?name=a", no("name", inPath)},
		{"POST", "/v1/subscriptions?subscription.name=a", no("subscription.name", inBody)},
		{"PATCH", "/v1/subscriptions/a?update_mask=paused", no("update_mask", inBody)},
		{"POST", "/v1/sources/a/capture?duration=10m", no("duration", inBody)},
		{"GET", "/v1/events?page_size=2&page_size=3", no("page_size", "is given 2 times, want it once")},
		{"GET", "/v1/events?page_size=2&pageSize=3", no("page_size", `is given as \"pageSize\" too`)},
		{"GET", "/v1/events?page_size=x", no("page_size", `want a whole number, got \"x\"`)},
		{"GET", "/v1/events?page_size=99999999999", no("page_size", `want a whole number, got \"99999999999\"`)},
		{"GET", "/v1/events?page_size=", no("page_size", `want a whole number, got \"\"`)},
		{"GET", "/v1/events?descending=yes", no("descending", `want true or false, got \"yes\"`)},
		{"GET", "/v1/events?since=yesterday", no("since", `want a time like 2006-01-02T15:04:05Z, got \"yesterday\"`)},
		{"GET", "/v1/events?filter.sources=%ff", no("filter.sources", `want UTF-8, got \"\\xff\"`)},
		{"GET", "/v1/events?a=%zz", `{"code":3,"message":"the query can't be read: invalid URL escape \"%zz\"","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_ARGUMENT","domain":"hookbridge"}]}` + "\n"},
		{"GET", "/v1/events?bogus=x&source=y", strings.Replace(no("bogus", unknown), `"}]}]}`,
			`"},{"field":"source","description":"`+unknown+`; did you mean \"filter.sources\"?"}]}]}`, 1)},
	} {
		api, s := openAPI(t)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != http.StatusBadRequest || w.Body.String() != tc.want {
			t.Errorf("%s %s: got %d %swant 400 %s", tc.method, tc.path, w.Code, w.Body, tc.want)
		}
		if s.got != nil {
			t.Errorf("%s %s: the call was made", tc.method, tc.path)
		}
	}
}

// Every route of the API is one whose queries are looked at.
func TestEveryRouteRefusesAStrangeQuery(t *testing.T) {
	seen := 0
	for _, file := range apiFiles() {
		for n := range file.Services().Len() {
			methods := file.Services().Get(n).Methods()
			for m := range methods.Len() {
				rule, ok := proto.GetExtension(methods.Get(m).Options(), annotations.E_Http).(*annotations.HttpRule)
				if !ok || rule == nil {
					continue
				}
				for _, one := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
					method, path := verbOf(one)
					api, _ := openAPI(t)
					w := httptest.NewRecorder()
					api.ServeHTTP(w, httptest.NewRequest(method, strings.NewReplacer("{", "", "}", "", "sequence", "1").Replace(path)+"?bogus=x", nil))
					if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"message":"bogus: there is no such query parameter`) {
						t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
					}
					seen++
				}
			}
		}
	}
	if seen != 22 {
		t.Errorf("%d routes, want 22: adjust the number when the API grows", seen)
	}
}
