// Package pattern is the one rule by which names of sources, types and subscriptions are chosen: "*" stands for any run of
// characters, also an empty one, and everything else for itself. Filters of subscribers and grants of principals follow it, so
// that a filter can be held against a grant.
package pattern

import "strings"

// Match says whether a pattern matches a name. It takes time in proportion to both lengths.
func Match(pattern, name string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], after
	}
}

// Covers says whether wide matches every name that narrow does. An asterisk of narrow can be any text, so only one of wide can be
// sure to match it: narrow is a name to wide in which the asterisk is one more character.
func Covers(wide, narrow string) bool { return Match(wide, narrow) }
