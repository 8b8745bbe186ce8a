package signature

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// undone are the characters whose escapes in a query are undone in the form "decoded" of a URL.
const undone = ":/?@&=+$`\",;><"

// addresses returns the forms of a URL that are tried, each once.
func (s *Scheme) addresses(u *url.URL) []string {
	if u == nil {
		return []string{""}
	}
	if len(s.urlForms) == 0 {
		return []string{u.String()}
	}
	var forms []string
	for _, form := range s.urlForms {
		if text := addressAs(form, u); !slices.Contains(forms, text) {
			forms = append(forms, text)
		}
	}
	return forms
}

func addressAs(form string, u *url.URL) string {
	changed := *u
	switch form {
	case "default-port":
		if u.Port() == "" {
			port := "443"
			if u.Scheme == "http" {
				port = "80"
			}
			changed.Host = net.JoinHostPort(u.Hostname(), port)
		}
	case "no-port":
		changed.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	case "decoded":
		changed.RawQuery = decodedQuery(u.RawQuery)
	}
	return changed.String()
}

// decodedQuery undoes some escapes, and leaves the others as they are.
func decodedQuery(query string) string {
	var b strings.Builder
	for i := 0; i < len(query); i++ {
		if query[i] == '%' && i+2 < len(query) {
			high, low := unhex(query[i+1]), unhex(query[i+2])
			if c := high<<4 | low; high < 16 && low < 16 && strings.IndexByte(undone, c) >= 0 {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(query[i])
	}
	return b.String()
}
