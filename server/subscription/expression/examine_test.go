package expression

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// object is a body of a provider whose events have no messages.
const object = `{"ref":"main","commits":[{"id":1,"author":{"name":"jo"}},{"id":2,"author":{"name":"kim"}}],"rows":[[{"x":1},{"x":2}],[{"x":3}]]}`

// What expressions say about real deliveries, and about one made up.
func TestVerdicts(t *testing.T) {
	const opened = "github/pull_request.opened"
	for _, tc := range []struct {
		name, event, text string
		want              Verdict
	}{
		{"the envelope", opened, `event.type == "pull_request.opened" && event.provider == "github" && event.source == "github-eu"`, Pass},
		{"the sequence", opened, `event.sequence == 7`, Pass},
		{"a time of the envelope", opened, `event.received_at >= timestamp("2026-03-01T09:30:00Z") && event.received_at.getFullYear() == 2026`, Pass},
		{"an absent time", opened, `has(event.occurred_at)`, Drop},
		{"how it was decoded", opened, `event.decoding.state == hookbridge.v1.Decoding.State.STATE_TYPED && event.auth.body_covered`, Pass},
		{"what stands in the middle of a key", opened, `event.ordering_key.split("/")[1] == "mugs"`, Pass},
		{"a field", opened, `data.pull_request.base.ref == "main"`, Pass},
		{"another value", opened, `data.pull_request.base.ref == "next"`, Drop},
		{"int64", opened, `data.number > 1 && data.pull_request.id > 2147483647 - 2147483647`, Pass},
		{"presence", opened, `has(data.pull_request.base) && !has(data.pull_request.merged_by)`, Pass},
		{"an optional field", opened, `has(data.action) && data.action == "opened"`, Pass},
		{"a message that is not there", opened, `data.pull_request.merged_by.login == ""`, Pass},
		{"whole messages", opened, `data.sender == data.pull_request.user`, Pass},
		{"a list", "github/push", `data.commits.size() >= 0 && data.commits.all(c, c.id != "")`, Pass},
		{"a list of a list", "github/issues.labeled", `data.issue.labels.exists(l, l.name.size() > 0)`, Pass},
		{"an element", "github/issues.labeled", `data.issue.labels[0].name != ""`, Pass},
		{"beyond a list", "github/issues.labeled", `data.issue.labels[99].name != ""`, Fail},
		{"false wins over what fails, on either side", "github/issues.labeled", `data.issue.labels[99].name != "" && data.action == "no"`, Drop},
		{"true doesn't", "github/issues.labeled", `data.action == "labeled" && data.issue.labels[99].name != ""`, Fail},
		{"an overflow", opened, `data.number + 9223372036854775807 > 0`, Fail},
		{"division by zero in the envelope", opened, `1 / (event.sequence - 7) == 1`, Fail},
		{"either", opened, `event.type == "push" || data.number == 0 || data.action == "opened"`, Pass},
		{"another message", "github/star.created", `data.pull_request.base.ref == "main"`, Drop},
		{"a field that several messages have", "github/star.created", `data.repository.full_name.startsWith("larkspur-labs/")`, Pass},
		{"cost counted", opened, `data.pull_request.title.matches("^Read .* moon$") && data.pull_request.title.contains("phase")`, Pass},
		{"the cost limit", "github/push", tens + `.exists(a, ` + tens + `.exists(b, ` + tens + `.exists(c, ` + tens + `.exists(d, ` +
			tens + `.exists(e, data.ref.contains(string(a+b+c+d+e) + "!"))))))`, Fail},
		{"another provider", "stripe/invoice.paid", `event.type == "invoice.paid" && data.data.object.amount_paid >= 0`, Pass},
		{"a map", "stripe/invoice.paid", `"no such key" in data.data.object.metadata`, Drop},
		{"a missing key", "stripe/invoice.paid", `data.data.object.metadata["no such key"] == "x"`, Fail},
		// GitLab's events have no messages: data is a JSON object.
		{"an object", "gitlab/push", `event.provider == "gitlab" && data.object_kind == "push"`, Pass},
		{"numbers of an object", "gitlab/push", `event.provider == "gitlab" && data.total_commits_count == 0 && data.total_commits_count < 1`, Pass},
		{"an object in an object", "gitlab/push", `event.provider == "gitlab" && data.project.name == "mugs" && data["project"]["name"] != ""`, Pass},
		{"a list in an object", "lab/push", `event.provider == "lab" && data.commits.exists(c, c.author.name == "jo")`, Pass},
		{"a list in an object, whose elements differ", "lab/push", `event.provider == "lab" && data.commits.all(c, c.author.name == "jo")`, Drop},
		{"an element in an object", "lab/push", `event.provider == "lab" && data.commits[1].author.name == "kim" && size(data) == 3`, Pass},
		{"lists in lists", "lab/push", `event.provider == "lab" && data.rows[1][0].x == 3`, Pass},
		{"a key of an object and all of it", "lab/push", `event.provider == "lab" && data.commits[0].id == 1 && data.commits == [{"id": 1, "author": {"name": "jo"}}, {"id": 2, "author": {"name": "kim"}}]`, Pass},
		{"a key that isn't there", "gitlab/push", `event.provider == "gitlab" && data.nothing == "x"`, Fail},
		{"presence in an object", "gitlab/push", `event.provider == "gitlab" && has(data.project.name) && !has(data.project.nothing)`, Pass},
		{"what an object has is no bool", "gitlab/push", `event.provider == "gitlab" && data.object_kind`, Fail},
		{"a typed expression on an object", "gitlab/push", `data.ref == "refs/heads/main"`, Pass},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ev := stored(t, "lab", "push", []byte(object))
			if tc.event != "lab/push" {
				ev = delivery(t, tc.event)
			}
			ev.Sequence = 7
			p := compile(t, tc.text, Scope{})
			if got := p.examine(ev); got != tc.want {
				t.Errorf("%s: got %v, want %v", tc.text, got, tc.want)
			}
		})
	}
}

// A mismatch is an object, and what no object holds has no data.
func TestEventsWithoutTypedData(t *testing.T) {
	mismatch := stored(t, "github", "star.created", []byte(`{"action":"created","repository":"acme/mugs"}`))
	undecodable := stored(t, "github", "star.created", []byte(`{"action":`))
	for _, tc := range []struct {
		name, text string
		event      Event
		want       Verdict
	}{
		{"a mismatch has what it has", `data.action == "created"`, mismatch, Pass},
		{"and not what the message has", `data.repository.full_name == "acme/mugs"`, mismatch, Fail},
		{"no data, and none wanted", `event.type == "star.created"`, undecodable, Pass},
		{"no data, but wanted", `event.type == "star.created" && data.action == "created"`, undecodable, Drop},
		{"no data, and asked for its absence", `data == null`, undecodable, Drop},
		{"what can't be read", `event.type == "star.created"`, Event{Encoded: []byte{0xff}}, Fail},
		{"an unknown message", `data.action == "created"`, unknown(t), Drop},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := compile(t, tc.text, Scope{}).examine(tc.event); got != tc.want {
				t.Errorf("%s: got %v, want %v", tc.text, got, tc.want)
			}
		})
	}
}

// unknown is an event whose message the registry doesn't have.
func unknown(t *testing.T) Event {
	t.Helper()
	encoded, err := proto.Marshal(&hookbridgev1.Event{Type: "x", Data: &anypb.Any{TypeUrl: "type.googleapis.com/acme.v1.Gone", Value: []byte{8, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return Event{Encoded: encoded}
}

// Data that was too large to be stored is made again, and only where the envelope doesn't decide already.
func TestDataIsMadeAgainWhereItWasNotStored(t *testing.T) {
	whole := delivery(t, "github/star.created")
	var event hookbridgev1.Event
	if err := proto.Unmarshal(whole.Encoded, &event); err != nil {
		t.Fatal(err)
	}
	data := event.GetData()
	event.Data = nil
	encoded, err := proto.Marshal(&event)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, text string
		data       *anypb.Any
		err        error
		made       int
		want       Verdict
	}{
		{"made", `event.type == "star.created" && data.action == "created"`, data, nil, 1, Pass},
		{"not needed", `event.type == "star.deleted" && data.action == "created"`, data, nil, 0, Drop},
		{"not wanted", `event.type == "star.created"`, data, nil, 0, Pass},
		{"none to be had", `data.action == "created"`, nil, nil, 1, Drop},
		{"unreadable", `data.action == "created"`, nil, errors.New("damaged"), 1, Fail},
	} {
		t.Run(tc.name, func(t *testing.T) {
			made := 0
			got := compile(t, tc.text, Scope{}).examine(Event{Encoded: encoded, Data: func() (*anypb.Any, error) {
				made++
				return tc.data, tc.err
			}})
			if got != tc.want || made != tc.made {
				t.Errorf("got %v, made %d times; want %v, %d", got, made, tc.want, tc.made)
			}
		})
	}
}

// An event is decided about once for all who share a program.
func TestVerdictsAreRemembered(t *testing.T) {
	p := compile(t, `data.action == "created" && event.id == "d-1"`, Scope{})
	made := 0
	ev := Event{Sequence: 42, Data: func() (*anypb.Any, error) { made++; return nil, nil }}
	event := &hookbridgev1.Event{Id: "d-1"}
	var err error
	if ev.Encoded, err = proto.Marshal(event); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := p.Examine(ev); got != Drop {
			t.Errorf("got %v", got)
		}
	}
	ev.Sequence += memoSize // takes the place of the other
	p.Examine(ev)
	ev.Sequence -= memoSize
	p.Examine(ev)
	if made != 3 {
		t.Errorf("decided %d times, want 3", made)
	}
}
