package journal

import (
	"strings"
	"testing"
)

// An owner's subject is one token that gives back the owner, and a subject that isn't an owner's gives none.
func FuzzSideOwner(f *testing.F) {
	for _, s := range []string{"billing", "b.i", "ü", "*", ">", "%", "%00", "%00.%00", "", "%4", "%zz", "%41"} {
		f.Add(s)
	}
	const root = "hookbridge.dead_letters."
	f.Fuzz(func(t *testing.T, s string) {
		subject := sideSubject(root, s)
		if token := strings.TrimPrefix(subject, root); token == "" || strings.ContainsAny(token, ".*> \t\r\n") {
			t.Errorf("the subject of %q is %q", s, subject)
		}
		if owner, ok := sideOwner(root, subject); owner != s || ok == (s == "") {
			t.Errorf("%q comes back as %q, %v", s, owner, ok)
		}
		// What is read as an owner is that one's subject, and no other's.
		if owner, ok := sideOwner(root, root+s); ok && sideSubject(root, owner) != root+s {
			t.Errorf("%q is read as %q, whose subject is %q", s, owner, sideSubject(root, owner))
		}
	})
}
