package method

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// jiraConnect checks requests of Atlassian to a Connect app: a JSON Web Token with a digest of method, path and query.
// https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/
//
// The body is not signed. The parameter is base_path, the path of the app's base URL, which is left out of what is signed.
type jiraConnect struct{ base string }

const (
	jiraHeader = "Authorization"
	jiraPrefix = "JWT "
	jiraLife   = 3 * time.Minute
)

func newJiraConnect(spec *providerv1.Scheme) (signature.Method, error) {
	values, err := parameters(spec, "base_path")
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(values["base_path"], "/")
	if base != "" && !strings.HasPrefix(base, "/") {
		return nil, fmt.Errorf("parameters: want base_path to begin with a slash, got %q", base)
	}
	return &jiraConnect{base: base}, nil
}

// Traits implements signature.Method.
func (j *jiraConnect) Traits() signature.Traits {
	return signature.Traits{URL: true, Stamped: true, Credentials: []string{jiraHeader}}
}

// Covers implements signature.Method. Of a request only the URL is signed.
func (j *jiraConnect) Covers(p signature.Place) bool { return p.InQuery() }

// Verify implements signature.Method.
func (j *jiraConnect) Verify(_ context.Context, c signature.Check) (signature.Match, error) {
	value, err := single(c.Request.Header, jiraHeader)
	if err != nil {
		return signature.Match{}, err
	}
	text, ok := strings.CutPrefix(value, jiraPrefix)
	if !ok {
		return signature.Match{}, fmt.Errorf("%w: want header %s as %s<JSON Web Token>", signature.ErrMalformed, jiraHeader, jiraPrefix)
	}
	t, err := signature.ParseToken(text, signature.Compact, nil, []string{"HS256"})
	if err != nil {
		return signature.Match{}, err
	}
	m := signature.Match{}
	if m.Key = slices.IndexFunc(c.Keys, func(k *signature.Key) bool { return t.Shared(k.Secret()) }); m.Key < 0 {
		return signature.Match{}, fmt.Errorf("%w: the token matches under none of the secrets (%d)", signature.ErrMismatch, len(c.Keys))
	}
	if err := t.Timely(c.Request.ReceivedAt); err != nil {
		return signature.Match{}, signature.ProvenBy(m.Key, err)
	}
	if claimed, _ := t.Claim("qsh"); claimed != j.hash(c.Request.Method, c.Request.URL) {
		want := "the digest of " + c.Request.Method + " and path and query of " + signature.BareURL(c.Request.URL)
		err := fmt.Errorf("%w: the token is for another method, path or query", signature.ErrMismatch)
		return signature.Match{}, signature.ProvenBy(m.Key, signature.Mismatched(err, "the claim qsh", want, true))
	}
	err = issued(&m, t, c)
	return m, err
}

// Sign implements signature.Signer.
func (j *jiraConnect) Sign(r *delivery.Request, key *signature.Key, _ string, at time.Time) (http.Header, error) {
	claims, err := json.Marshal(map[string]any{
		"iat": at.Unix(), "exp": at.Add(jiraLife).Unix(), "qsh": j.hash(r.Method, r.URL),
	})
	if err != nil {
		return nil, err
	}
	text, err := signature.NewToken("HS256", claims, key.Secret())
	return http.Header{jiraHeader: {jiraPrefix + text}}, err
}

// hash is the query string hash.
func (j *jiraConnect) hash(method string, u *url.URL) string {
	if u == nil {
		u = &url.URL{}
	}
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, j.base); ok && (rest == "" || rest[0] == '/') {
		path = rest
	}
	path = "/" + strings.Trim(path, "/")
	sum := sha256.Sum256([]byte(strings.ToUpper(method) + "&" + strings.ReplaceAll(path, "&", "%26") + "&" + canonicalQuery(u.RawQuery)))
	return hex.EncodeToString(sum[:])
}

// canonicalQuery writes each name once, with its values joined by commas, all of it escaped and sorted. The token's own parameter is left out.
func canonicalQuery(raw string) string {
	values, err := url.ParseQuery(raw)
	if err != nil {
		// What can't be read is signed by nobody.
		return raw
	}
	delete(values, "jwt")
	escaped := map[string]string{}
	for name, all := range values {
		for n, value := range all {
			all[n] = escape(value)
		}
		slices.Sort(all)
		escaped[escape(name)] = strings.Join(all, ",")
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(escaped)) {
		pairs = append(pairs, name+"="+escaped[name])
	}
	return strings.Join(pairs, "&")
}

// escape is RFC 3986's: everything but letters, digits and -._~.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
