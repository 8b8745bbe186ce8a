package expression

import (
	"fmt"
	"strings"
	"testing"
)

// What the dearest event costs that an expression is given up on.
func BenchmarkCostLimit(b *testing.B) {
	p := compile(b, tens+`.exists(a, `+tens+`.exists(b, `+tens+`.exists(c, `+tens+`.exists(d, `+tens+`.exists(e, a+b+c+d+e == event.sequence)))))`, Scope{})
	ev := stored(b, "github", "star.created", star())
	if v := p.examine(ev); v != Fail {
		b.Fatalf("got %v", v)
	}
	for b.Loop() {
		p.examine(ev)
	}
}

// star is a delivery of GitHub's event star of exactly 1 KB, all of whose fields the typed message has.
func star() []byte {
	const document = `{"action":"created","starred_at":"2026-03-01T09:00:00Z","repository":{"id":35129377,"node_id":"MDEwOlJlcG9zaXRvcnkzNTEyOTM3Nw==",` +
		`"name":"mugs","full_name":"acme/mugs","private":false,"owner":{"login":"acme","id":6752317,"type":"Organization","site_admin":false},` +
		`"html_url":"https://github.com/acme/mugs","fork":false,"url":"https://api.github.com/repos/acme/mugs","created_at":"2015-05-05T23:40:12Z",` +
		`"updated_at":"2026-02-01T23:40:12Z","pushed_at":"2026-02-28T23:40:27Z","size":812,"stargazers_count":1041,"watchers_count":1041,"language":"Go",` +
		`"has_issues":true,"has_projects":true,"has_wiki":false,"forks_count":33,"archived":false,"open_issues_count":7,"default_branch":"main","description":"%s"},` +
		`"sender":{"login":"lena","id":21031067,"type":"User","site_admin":false,"html_url":"https://github.com/lena"}}`
	const size = 1024
	return fmt.Appendf(nil, document, strings.Repeat("m", size-len(document)+len("%s")))
}

func BenchmarkExamine(b *testing.B) {
	typed := stored(b, "github", "star.created", star())
	untyped := stored(b, "gitlab", "star.created", star())
	for _, tc := range []struct {
		name, text string
		event      Event
	}{
		{"dropped by the envelope", `event.type == "star.deleted" && data.repository.full_name == "acme/mugs"`, typed},
		{"dropped by the data", `event.type == "star.created" && data.repository.full_name == "acme/cups"`, typed},
		{"dropped by two fields of the data", `data.repository.full_name == "acme/mugs" && data.repository.stargazers_count > 5000`, typed},
		{"dropped by the data, with its cost counted", `data.repository.description.contains("cup")`, typed},
		{"dropped by an object", `event.type == "star.created" && data.repository.full_name == "acme/cups"`, untyped},
	} {
		b.Run(strings.ReplaceAll(tc.name, " ", "_"), func(b *testing.B) {
			p := compile(b, tc.text, Scope{})
			if v := p.examine(tc.event); v != Drop {
				b.Fatalf("got %v", v)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.examine(tc.event)
			}
		})
	}
}
