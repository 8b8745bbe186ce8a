package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// masked replaces what differs from run to run: ids of replays, times, ages, ports.
func masked(text string) string {
	for _, each := range []struct{ pattern, by string }{
		{`[a-z2-7]{26}`, "REPLAY"}, {`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?`, "TIME"}, {`127\.0\.0\.1:\d+`, "ADDRESS"},
		{`(oldest +)\d+s`, "${1}AGE"}, {`(\d  +)\d+s +(\d)`, "${1}AGE  ${2}"},
	} {
		text = regexp.MustCompile(each.pattern).ReplaceAllString(text, each.by)
	}
	return text
}

// What an operator does, one command after the other, against a real bridge: every answer whole.
func TestManagingFromTheShell(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	for _, id := range []string{"one", "two", "three"} {
		if out, errOut, code := execute(t, "send", "--config", config, "--url", "http://"+bridge.http, "--id", id, "demo", "user_created"); code != 0 {
			t.Fatalf("send: %d %s%s", code, out, errOut)
		}
	}
	const created = `name          billing
state         nobody connected
filter        types user_*
ack deadline  10s
backoff       1s 5s 30s 2m 10m (default)
max attempts  3
ordered       false
created       TIME
position      1 of 4
lag           ≤3 events
oldest        AGE
outstanding   0
waiting       0
dead letters  0
sent          0, 0 of them again
missed        0
`
	for _, step := range []struct {
		args string
		code int
		want string // what is printed, on whichever stream
	}{
		{"subscriptions list", 0, "NAME  LAG  OLDEST  OUTSTANDING  WAITING  DEAD  MEMBERS  STATE\n"},
		{"subscriptions show billing", 1, "hookbridge: the bridge at ADDRESS: there is no subscription \"billing\"\n"},
		{"subscriptions create billing --type user_* --max-attempts 3 --ack-deadline 10s --from beginning", 0, created},
		{"subscriptions create billing", 1, "hookbridge: the bridge at ADDRESS: there is a subscription \"billing\"\n"},
		{"subscriptions create other --filter 1+", 1, "hookbridge: the bridge at ADDRESS: filter.expression:1:3: "},
		{"subscriptions show billing", 0, created},
		{"subscriptions update billing --everything --max-attempts 0 --backoff 0s,2s", 0, strings.NewReplacer(
			"types user_*", "everything", "1s 5s 30s 2m 10m (default)", "0s 2s", "attempts  3", "attempts  no limit", "≤3", "3").Replace(created)},
		{"subscriptions update billing --backoff default --ack-deadline 0s", 0, strings.NewReplacer(
			"types user_*", "everything", "attempts  3", "attempts  no limit", "≤3", "3", "10s", "30s (default)").Replace(created)},
		{"subscriptions update billing --backoff 1s,soon", 2, "hookbridge: invalid argument \"1s,soon\" for \"--backoff\" flag: want default, or times like 1s,30s,5m, got \"soon\"\n"},
		{"subscriptions update billing --type=", 2, "hookbridge: subscriptions update: an empty filter lets everything pass; say --everything if that is what you want\n"},
		{"subscriptions create lost --source nope --source demo", 0, strings.NewReplacer("billing", "lost", "types user_*", "sources demo nope",
			"10s", "30s (default)", "attempts  3", "attempts  no limit", "1 of 4", "4 of 4", "≤3", "0", "AGE", "-").Replace(created) +
			"no source     nope\nhookbridge: the bridge has no source \"nope\" now; nothing comes from it until it has\n"},
		{"subscriptions delete lost --yes", 0, "lost is deleted\n"},
		{"subscriptions pause billing", 0, "billing is paused\n"},
		{"subscriptions list", 0, "NAME     LAG  OLDEST  OUTSTANDING  WAITING  DEAD  MEMBERS  STATE\n" +
			"billing  3    AGE  0            0        0     0        paused, nobody connected\n"},
		{"subscriptions resume billing --json", 0, "{\"resumed\":\"billing\"}\n"},
		{"subscriptions seek billing --to 3", 0, "billing stands at 3\n"},
		{"subscriptions seek billing --to now --json", 0, "{\"position\":\"4\"}\n"},
		{"subscriptions seek billing --to end", 0, "billing stands at 4\n"},
		{"replay status billing", 1, "hookbridge: subscription \"billing\" has no replay, or none any more\n"},
		{"replay start billing --type user_created --rate 1000", 0, "replay     REPLAY\nevents     types user_created, of what the subscription's filter lets pass\nsequences  1 to 3, at most 1000 a second\n" +
			"progress   0%, at 1, 0 events handed out\nstarted    TIME\n"},
		{"replay start billing --rate 0", 2, "hookbridge: --rate: want at least 1, got 0\n"},
		{"replay start billing", 1, "hookbridge: the bridge at ADDRESS: subscription \"billing\" has the replay REPLAY, which is running\n"},
		{"replay cancel billing", 0, "replay     REPLAY\n"},
		{"replay cancel billing", 1, "hookbridge: the bridge at ADDRESS: subscription \"billing\" has no replay\n"},
		{"dead-letters list billing", 0, "ID  SEQUENCE  SOURCE  TYPE  REASON  ATTEMPTS  SINCE  ERROR\n"},
		{"dead-letters redrive billing --all", 0, "0 are sent again\n"},
		{"dead-letters redrive billing --filter event.source==\"demo\"", 0, "0 are sent again\n"},
		{"dead-letters purge billing --filter event.sorce==\"demo\" --yes", 1, "hookbridge: the bridge at ADDRESS: filter.expression:1:7: undefined field 'sorce' of hookbridge.v1.Event; did you mean source?\n"},
		{"dead-letters list billing --filter event.sequence>0", 0, "ID  SEQUENCE  SOURCE  TYPE  REASON  ATTEMPTS  SINCE  ERROR\n"},
		{"dead-letters redrive billing --all --filter true", 2, "hookbridge: dead-letters redrive wants one of --all, --id, and a filter: --source, --type or --filter, or several of these\n"},
		{"dead-letters purge billing --id 1 --yes", 0, "0 are removed\n"},
		{"events list --limit 2", 0, "SEQUENCE  RECEIVED             SOURCE  TYPE          DECODING  ID\n" +
			"3         TIME  demo    user_created  typed     three\n2         TIME  demo    user_created  typed     two\n"},
		{"events show demo/two --json", 0, `{"id":"two","source":"demo",`},
		{"events show 9", 1, "hookbridge: the bridge at ADDRESS: there is no such event, or none any more\n"},
		{"events erase demo/two --yes", 0, "event 2 is erased, and 0 dead letters\n"},
		{"events erase 2 --yes", 1, "hookbridge: the bridge at ADDRESS: there is no such event, or none any more\n"},
		{"events list --oldest-first", 0, "SEQUENCE  RECEIVED             SOURCE  TYPE          DECODING  ID\n" +
			"1         TIME  demo    user_created  typed     one\n3         TIME  demo    user_created  typed     three\n"},
		{"subscriptions delete billing --yes", 0, "billing is deleted\n"},
		{"subscriptions delete billing --yes", 1, "hookbridge: the bridge at ADDRESS: there is no subscription \"billing\"\n"},
	} {
		out, errOut, code := execute(t, append(strings.Fields(step.args), "--server", bridge.grpc)...)
		got := masked(out + errOut)
		if whole := strings.HasSuffix(step.want, "\n") && step.args != "replay cancel billing"; code != step.code || whole && got != step.want || !strings.HasPrefix(got, step.want) {
			t.Errorf("%s: exit code %d\n%s\nwant %d\n%s", step.args, code, got, step.code, step.want)
		}
	}
	bridge.stop(t)
}

// A dead letter is shown with its event, and a member with its name and address.
func TestDeadLettersAndMembersFromTheShell(t *testing.T) {
	config := configFile(t, "")
	bridge := start(t, config)
	conn, err := grpc.NewClient(bridge.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := hookbridgev1.NewEventServiceClient(conn).Subscribe(ctx, &hookbridgev1.SubscribeRequest{Subscription: "billing", ClientName: "billing-1"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || !m.GetConfirmed().GetCreated() {
		t.Fatalf("want Confirmed, got %v, %v", m, err)
	}
	out, _, code := execute(t, "subscriptions", "show", "billing", "--server", bridge.grpc)
	if want := "member        ADDRESS, billing-1, since TIME, 0 events (0 bytes) outstanding\n"; code != 0 || !strings.HasSuffix(masked(out), want) {
		t.Errorf("%d\n%s\nwant at the end %s", code, masked(out), want)
	}
	out, _, code = execute(t, "subscriptions", "list", "--json", "--server", bridge.grpc)
	var s struct {
		Name   string
		Status struct{ Members []struct{ Address string } }
	}
	if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil || s.Name != "billing" || len(s.Status.Members) != 1 {
		t.Errorf("%d %s, %v", code, out, err)
	}
	bridge.stop(t)
}
