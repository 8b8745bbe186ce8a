package auth

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
)

// told is what the caller is told: the public text of a refusal, empty for none.
func told(err error) string {
	if err == nil {
		return ""
	}
	return fault.Status(err, "").Message()
}

func TestNarrow(t *testing.T) {
	filter := func(sources, types []string) *hookbridgev1.Filter {
		return &hookbridgev1.Filter{Sources: sources, Types: types, Expression: "true"}
	}
	billing := Grants{Sources: []string{"stripe-*", "paypal"}, Types: []string{"invoice.*", "charge.refunded"}}
	type list = []string
	for _, tc := range []struct {
		name   string
		grants Grants
		filter *hookbridgev1.Filter
		want   *hookbridgev1.Filter
		told   string
	}{
		{"none", billing, nil, &hookbridgev1.Filter{Sources: billing.Sources, Types: billing.Types}, ""},
		{"an empty one", billing, filter(nil, nil), filter(billing.Sources, billing.Types), ""},
		{"sources", billing, filter(list{"stripe-eu", "stripe-us-*"}, nil), filter(list{"stripe-eu", "stripe-us-*"}, billing.Types), ""},
		{"types", billing, filter(nil, list{"invoice.paid"}), filter(billing.Sources, list{"invoice.paid"}), ""},
		{"as granted", billing, filter(billing.Sources, billing.Types), filter(billing.Sources, billing.Types), ""},
		{"another source", billing, filter(list{"stripe-eu", "github"}, nil), nil, `principal "x" lacks the grant sources: "github"`},
		{"a wider source", billing, filter(list{"stripe*"}, nil), nil, `principal "x" lacks the grant sources: "stripe*"`},
		{"every source", billing, filter(list{"*"}, nil), nil, `principal "x" lacks the grant sources: "*"`},
		{"another type", billing, filter(nil, list{"charge.*"}), nil, `principal "x" lacks the grant types: "charge.*"`},
		{"two grants together", Grants{Sources: list{"a*", "b*"}, Types: list{"*"}}, filter(list{"*"}, nil), nil, `principal "x" lacks the grant sources: "*"`},
		{"everything of everything", Grants{Sources: list{"*"}, Types: list{"*"}}, filter(nil, nil), filter(list{"*"}, list{"*"}), ""},
		{"all sources in so many words", Grants{Sources: list{"*"}, Types: list{"*"}}, filter(list{"*"}, nil), filter(list{"*"}, list{"*"}), ""},
		{"of no sources", Grants{Types: list{"*"}, Manage: true}, nil, nil, `principal "x" lacks the grant sources: nothing is granted`},
		{"of no types", Grants{Sources: list{"*"}}, nil, nil, `principal "x" lacks the grant types: nothing is granted`},
		{"an element, of no sources", Grants{Types: list{"*"}}, filter(list{"a"}, nil), nil, `principal "x" lacks the grant sources: "a"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &Principal{name: "x", grants: tc.grants}
			got, err := p.Narrow(tc.filter)
			if told(err) != tc.told {
				t.Fatalf("told %q, want %q", told(err), tc.told)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tc.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if err := p.Covers(got); err != nil {
				t.Errorf("what comes back isn't covered: %v", err)
			}
		})
	}
}

func TestMay(t *testing.T) {
	all := Grants{Sources: []string{"*"}, Types: []string{"*"}, Subscriptions: []string{"*"}, Manage: true}
	team := Grants{Sources: []string{"a-*"}, Types: []string{"push"}, Subscriptions: []string{"team", "team-*"}}
	for _, tc := range []struct {
		name              string
		p                 *Principal
		read              bool   // a-1, push
		readElse          bool   // b, push
		use, look, manage string // team-2
		useElse, lookElse string // other
	}{
		{"everybody", &Principal{everything: true}, true, true, "", "", "", "", ""},
		{"all", &Principal{name: "x", grants: all}, true, true, "", "", "", "", ""},
		{
			"a team", &Principal{name: "x", grants: team}, true, false, "", "", `principal "x" lacks the grant manage`,
			`principal "x" lacks the grant subscriptions: "other"`, `principal "x" lacks the grant subscriptions: "other"`,
		},
		{
			"a manager of nothing", &Principal{name: "x", grants: Grants{Manage: true}}, false, false,
			`principal "x" lacks the grant subscriptions: "team-2"`, "", "", `principal "x" lacks the grant subscriptions: "other"`, "",
		},
		{
			"nobody", From(t.Context()), false, false,
			`principal "nobody" lacks the grant subscriptions: "team-2"`, `principal "nobody" lacks the grant subscriptions: "team-2"`,
			`principal "nobody" lacks the grant manage`,
			`principal "nobody" lacks the grant subscriptions: "other"`, `principal "nobody" lacks the grant subscriptions: "other"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if a, b := tc.p.MayRead("a-1", "push"), tc.p.MayRead("b", "push"); a != tc.read || b != tc.readElse {
				t.Errorf("may read %v and %v, want %v and %v", a, b, tc.read, tc.readElse)
			}
			for what, got := range map[string][2]string{
				"use": {told(tc.p.MayUse("team-2")), tc.use}, "look": {told(tc.p.MayLook("team-2")), tc.look}, "manage": {told(tc.p.MayManage()), tc.manage},
				"use another": {told(tc.p.MayUse("other")), tc.useElse}, "look at another": {told(tc.p.MayLook("other")), tc.lookElse},
			} {
				if got[0] != got[1] {
					t.Errorf("%s: told %q, want %q", what, got[0], got[1])
				}
			}
		})
	}
}
