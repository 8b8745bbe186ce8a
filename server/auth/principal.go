package auth

import (
	"slices"

	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/pattern"
)

// Grants are what a principal may do. Elements of the lists may contain "*"; an empty list grants nothing.
type Grants struct {
	// Sources and Types are what may be read: events of a source that one of Sources matches and of a type that one of Types
	// matches.
	Sources, Types []string
	// Subscriptions are the durable subscriptions that may be used.
	Subscriptions []string
	// Manage allows to change subscriptions that may be used, and to erase events that may be read. It doesn't allow to read.
	Manage bool
}

// Principal is a caller and its grants. It doesn't change.
type Principal struct {
	name   string
	grants Grants
	// everything is the principal of a bridge at which nobody has to authenticate.
	everything bool
}

// Name returns the principal's name; empty where nobody has to authenticate.
func (p *Principal) Name() string { return p.name }

// MayRead says whether events of a source and type may be seen.
func (p *Principal) MayRead(source, typ string) bool {
	return p.everything || covered(p.grants.Sources, source) && covered(p.grants.Types, typ)
}

// MayUse says whether a durable subscription may be used: nil, or a PermissionDenied that names what is missing.
func (p *Principal) MayUse(subscription string) error {
	if p.everything || covered(p.grants.Subscriptions, subscription) {
		return nil
	}
	return p.lacks("subscriptions: %q", subscription)
}

// MayManage says whether subscriptions may be changed and events be erased: nil, or a PermissionDenied.
func (p *Principal) MayManage() error {
	if p.everything || p.grants.Manage {
		return nil
	}
	return p.lacks("manage")
}

// MayLook says whether the state of a durable subscription may be seen, which the grant to use it and the grant to manage both
// allow: nil, or a PermissionDenied.
func (p *Principal) MayLook(subscription string) error {
	if p.everything || p.grants.Manage {
		return nil
	}
	return p.MayUse(subscription)
}

// Narrow returns a filter that lets pass what f does and the principal may see. An absent or empty list of f stands for everything
// that is granted; an element that is not granted as a whole is a PermissionDenied that names it. What comes back is covered by the
// grants.
func (p *Principal) Narrow(f *hookbridgev1.Filter) (*hookbridgev1.Filter, error) {
	if p.everything {
		return f, nil
	}
	narrow := &hookbridgev1.Filter{}
	if f != nil {
		narrow = proto.CloneOf(f)
	}
	if len(narrow.GetSources()) == 0 {
		narrow.Sources = slices.Clone(p.grants.Sources)
	}
	if len(narrow.GetTypes()) == 0 {
		narrow.Types = slices.Clone(p.grants.Types)
	}
	if len(narrow.GetSources()) == 0 {
		return nil, p.lacks("sources: nothing is granted")
	}
	if len(narrow.GetTypes()) == 0 {
		return nil, p.lacks("types: nothing is granted")
	}
	return narrow, p.Covers(narrow)
}

// Covers says whether everything that a filter lets pass may be seen: nil, or a PermissionDenied that names the first element that
// is not granted. An absent or empty list lets everything pass. Each element has to be covered by one of the grants: what only
// several of them would cover together is refused.
func (p *Principal) Covers(f *hookbridgev1.Filter) error {
	if p.everything {
		return nil
	}
	for _, list := range []struct {
		kind          string
		granted, want []string
	}{
		{"sources: %q", p.grants.Sources, f.GetSources()},
		{"types: %q", p.grants.Types, f.GetTypes()},
	} {
		if len(list.want) == 0 {
			list.want = []string{"*"}
		}
		for _, want := range list.want {
			if !covered(list.granted, want) {
				return p.lacks(list.kind, want)
			}
		}
	}
	return nil
}

// covered says whether one of the grants covers a name, or all that a pattern matches.
func covered(grants []string, want string) bool {
	return slices.ContainsFunc(grants, func(grant string) bool { return pattern.Covers(grant, want) })
}

func (p *Principal) lacks(format string, args ...any) error {
	return fault.Detail(fault.ErrPermissionDenied, "principal %q lacks the grant "+format, append([]any{p.name}, args...)...)
}
