package expression

import (
	"errors"
	"strings"
	"testing"
)

// tens is a list of ten, for expressions that cost.
const tens = "[1,2,3,4,5,6,7,8,9,10]"

// What is refused, with the whole text that the caller sees behind "filter.expression:".
func TestRefusedExpressions(t *testing.T) {
	const several = " (the nearest of 40 messages that these events can have; narrow them by types or event.type)"
	for _, tc := range []struct {
		name, text string
		in         Scope
		want       string
	}{
		{
			name: "a field that the narrowed message's part doesn't have",
			text: `event.type == "pull_request.opened" && data.pull_request.bse.ref == "main"`,
			want: "1:58: undefined field 'bse' of hookbridge.github.v1.PullRequest; did you mean base?",
		},
		{
			name: "a field far down, on the third line",
			text: "event.type == 'pull_request.opened' &&\n  data.\n pull_request . bse.ref==\"main\"",
			want: "3:17: undefined field 'bse' of hookbridge.github.v1.PullRequest; did you mean base?",
		},
		{
			name: "the filter's types narrow too",
			text: `data.repo.full_name == "acme/mugs"`,
			in:   Scope{Types: []string{"star.*"}},
			want: "1:6: undefined field 'repo' of hookbridge.github.v1.StarEvent; it has action, business, enterprise, installation, " +
				"organization, repository, sender, starred_at",
		},
		{
			name: "a prefix narrows to a provider's message",
			text: `event.type.startsWith("invoice.") && data.data.object.amount_du > 1`,
			want: "1:55: undefined field 'amount_du' of hookbridge.stripe.v1.Invoice; did you mean amount_due?",
		},
		{
			name: "a field of what a list has",
			text: `event.type in ["push"] && data.commits.exists(c, c.author.nam == "x")`,
			want: "1:59: undefined field 'nam' of hookbridge.github.v1.CommitUser; did you mean name?",
		},
		{
			name: "a field that no message has",
			text: `data.zzz == 1`,
			want: "1:6: undefined field 'zzz' of hookbridge.github.v1.CheckRunEvent; it has action, business, check_run, enterprise, " +
				"installation, organization, repository, requested_action and 1 more" + several,
		},
		{
			name: "columns are characters",
			text: `"é" == "" && event.zzz == 1`,
			want: "1:20: undefined field 'zzz' of hookbridge.v1.Event; it has auth, batch, decoding, id, occurred_at, ordering_key, provider, " +
				"received_at and 3 more",
		},
		{name: "has of what isn't there", text: `has(event.types)`, want: "1:11: undefined field 'types' of hookbridge.v1.Event; did you mean type?"},
		{
			name: "the envelope has no data", text: `has(event.data)`,
			want: "1:11: undefined field 'data' of hookbridge.v1.Event; it has auth, batch, decoding, id, occurred_at, ordering_key, provider, " +
				"received_at and 3 more",
		},
		{name: "a variable", text: `evnt.type == ""`, want: "1:1: undeclared reference to 'evnt' (did you mean 'event'?)"},
		{name: "a function", text: `now() > event.received_at`, want: "1:4: undeclared reference to 'now'"},
		{name: "a wrong type", text: `event.type == 1`, want: "1:12: found no matching overload for '==' applied to '(string, int)'"},
		{
			name: "a wrong type of the data",
			text: `event.type == "invoice.paid" && data.data.object.amount_due > "x"`,
			want: "1:61: found no matching overload for '>' applied to '(int, string)'",
		},
		{
			name: "a message that has the field rather than one that hasn't", text: `!data.action`,
			want: "1:1: found no matching overload for '!' applied to '(string)'",
		},
		{name: "no bool", text: `event.source`, want: "1:1: want a bool, got string"},
		{name: "no bool in the data", text: `data.number`, in: Scope{Types: []string{"pull_request.*"}}, want: "1:1: want a bool, got int"},
		{name: "half an expression", text: `data.`, want: "1:6: syntax error: no viable alternative at input '.'"},
		{name: "an assignment", text: `event.type = "x"`, want: "1:12: syntax error: token recognition error at: '= '"},
		{name: "nothing", text: ` `, want: "1:2: syntax error: mismatched input '<EOF>'"},
		{name: "no UTF-8", text: "\xff", want: "1:1: want UTF-8"},
		{name: "a broken pattern", text: `event.type.matches("(")`, want: "1:20: invalid matches argument"},
		{name: "a broken time", text: `event.received_at > timestamp("x")`, want: "1:31: invalid timestamp argument"},
		{name: "too long", text: strings.Repeat("x", MaxLength+1), want: "1:1: at most 4096 characters, got 4097"},
		{name: "too deep", text: strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200), want: "1:1: expression recursion limit exceeded: 100"},
		{
			name: "too dear whatever the event",
			text: tens + ".map(a, " + tens + ".map(b, " + tens + ".map(c, " + tens + ".map(d, " + tens + ".map(e, " + tens + ".map(f, a)))))).size() > 0",
			want: "1:1: costs at least 16666653 to evaluate, want at most 100000",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := compiler(t).Compile(tc.text, tc.in)
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if err.Error() != tc.want {
				t.Errorf("\n got %s\nwant %s", err, tc.want)
			}
		})
	}
}

// Which messages an expression is checked against.
func TestCandidates(t *testing.T) {
	providers := map[string]string{"gh-main": "github", "gh-old": "github", "lab": "gitlab", "pay": "stripe"}
	for _, tc := range []struct {
		name, text string
		in         Scope
		want       string // the count of messages, and the first
	}{
		{"an equality", `event.type == "star.created"`, Scope{}, "1 hookbridge.github.v1.StarEvent"},
		{"the other way round", `"star.created" == event.type && true`, Scope{}, "1 hookbridge.github.v1.StarEvent"},
		{"a list", `event.type in ["push", "star.created"]`, Scope{}, "2 hookbridge.github.v1.PushEvent"},
		{"an alternative", `event.type == "push" || event.type.startsWith("star.")`, Scope{}, "2 hookbridge.github.v1.PushEvent"},
		{"an alternative without a type", `event.type == "push" || event.id == "x"`, Scope{}, "40 hookbridge.github.v1.CheckRunEvent"},
		{"a negation narrows nothing", `!(event.type == "push")`, Scope{}, "40 hookbridge.github.v1.CheckRunEvent"},
		{"a provider", `event.provider == "slack"`, Scope{}, "2 hookbridge.slack.v1.AppMentionEvent"},
		{"an unknown type", `event.type == "no.such"`, Scope{}, "0"},
		{"the filter's types", `true`, Scope{Types: []string{"push", "invoice.*"}}, "2 hookbridge.github.v1.PushEvent"},
		{"the source's provider", `true`, Scope{Sources: []string{"pay"}, Types: []string{"invoice.*", "push"}, Providers: providers}, "1 hookbridge.stripe.v1.InvoiceEvent"},
		{"a pattern of sources", `true`, Scope{Sources: []string{"gh-*"}, Types: []string{"invoice.*", "push"}, Providers: providers}, "1 hookbridge.github.v1.PushEvent"},
		{"a source of the expression", `event.source == "lab"`, Scope{Providers: providers}, "0"},
		{"a source that isn't configured", `true`, Scope{Sources: []string{"gone"}, Types: []string{"push"}, Providers: providers}, "1 hookbridge.github.v1.PushEvent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			parsed, issues := compiler(t).untyped.Parse(tc.text)
			if issues.Err() != nil {
				t.Fatal(issues.Err())
			}
			got := candidateText(compiler(t).candidates(parsed.NativeRep().Expr(), tc.in))
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// Programs are shared by what is written the same but for its form.
func TestProgramsAreShared(t *testing.T) {
	a := compile(t, `event.type == "push" && (data.ref == "refs/heads/main")`, Scope{})
	b := compile(t, "event.type  ==  'push'\n&& data.ref=='refs/heads/main' // main only", Scope{Types: []string{"push"}})
	if a != b {
		t.Errorf("got two programs for %q and %q", a.Text(), b.Text())
	}
	if c := compile(t, `event.type == "push" && data.ref == "refs/heads/next"`, Scope{}); c == a {
		t.Error("got one program for two expressions")
	}
}
