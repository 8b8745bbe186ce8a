package rejection

import (
	"net"
	"net/url"
	"strings"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
)

// urls tries the URLs that the provider may have signed instead of the configured one.
func (x *examination) urls() bool {
	for _, p := range x.own.Provers() {
		if !p.Scheme.UsesURL() || x.request.URL == nil {
			continue
		}
		for _, u := range urlsLike(x.request.URL, x.host, x.request.Header.Get("X-Forwarded-Host"), x.request.Header.Get("X-Original-Host")) {
			r := *x.request
			r.URL = u
			if right, err := x.prove(p, &r); err == nil && right.refuted == nil {
				return x.right(p, right, hookbridgev1.Diagnosis_KIND_URL, "it is signed for %s, and the bridge takes the URL for %s: set http.public_url, or the webhook's URL at %s, "+
					"so that they agree", shown(u, x.request.URL), shown(x.request.URL, u), x.own.Pack().Name())
			}
			x.tried.urls++
		}
	}
	return false
}

// urlsLike returns URLs that differ from one in scheme, host, port, slash or query. The hosts are what the sender and the proxies wrote:
// good for a try, and for nothing else.
func urlsLike(u *url.URL, hosts ...string) []*url.URL {
	const mostHosts = 8
	names := []string{u.Host}
	for _, host := range hosts {
		if host != "" && len(host) <= maxText {
			names = append(names, host)
		}
	}
	for _, host := range names {
		if bare, _, err := net.SplitHostPort(host); err == nil {
			names = append(names, bare)
		} else if host != "" {
			names = append(names, host+":443", host+":80")
		}
	}
	names = names[:min(len(names), mostHosts)]
	paths := []string{u.Path}
	if bare := strings.TrimRight(u.Path, "/"); bare != u.Path {
		paths = append(paths, bare)
	} else {
		paths = append(paths, u.Path+"/")
	}
	// The path as the listener sees it, where the public URL has one of its own, and the other way round.
	if at := strings.Index(u.Path, "/webhooks/"); at > 0 {
		paths = append(paths, u.Path[at:])
	}
	queries := []string{u.RawQuery}
	if u.RawQuery != "" {
		queries = append(queries, "")
	}
	var list []*url.URL
	seen := map[string]bool{u.String(): true}
	for _, query := range queries {
		for _, path := range paths {
			for _, host := range names {
				for _, scheme := range []string{"https", "http"} {
					like := &url.URL{Scheme: scheme, Host: host, Path: path, RawQuery: query}
					if text := like.String(); !seen[text] {
						seen[text] = true
						list = append(list, like)
					}
				}
			}
		}
	}
	return list
}

// shown is a URL without its query, in which there may be a credential; whether it had one is said where another one had not.
func shown(u, other *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	text := printable(bare.String())
	switch {
	case (u.RawQuery == "") == (other.RawQuery == ""):
		return text
	case u.RawQuery == "":
		return text + " without its query"
	}
	return text + " with its query"
}
