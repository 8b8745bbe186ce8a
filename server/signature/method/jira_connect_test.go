package method_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// jiraHash is the example in Atlassian's documentation: GET https://api.bitbucket.org/test?param=value.
const jiraHash = "be16910858a41fd19ea5c1b4e9decca9a784d1024cb00b2158defe2f29dc86dd"

func jiraToken(t *testing.T, claims, secret string) string {
	t.Helper()
	token, err := signature.NewToken("HS256", []byte(claims), []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return "JWT " + token
}

func jiraRequest(t *testing.T, method, at, token string) *delivery.Request {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return &delivery.Request{Method: method, URL: u, Header: http.Header{"Authorization": {token}}, Body: []byte(`{}`), ReceivedAt: now}
}

func TestJiraConnect(t *testing.T) {
	const (
		documented = "https://api.bitbucket.org/test?param=value"
		claims     = `{"iss":"c1","iat":1772355540,"exp":1772355720,"qsh":"` + jiraHash + `"}`
	)
	other := "signature mismatch: the token is for another method, path or query"
	for _, tc := range []struct {
		name, method, url, token, base, want string
		tolerance                            time.Duration
	}{
		{name: "the documented example", token: jiraToken(t, claims, "s")},
		{name: "with the token in the query", url: "https://api.bitbucket.org/test?jwt=x&param=value", token: jiraToken(t, claims, "s")},
		{name: "with a slash at the end", url: "https://api.bitbucket.org/test/?param=value", token: jiraToken(t, claims, "s")},
		{name: "under a base path", url: "https://api.bitbucket.org/app/test?param=value", base: "/app/", token: jiraToken(t, claims, "s")},
		{name: "beside the base path", url: "https://api.bitbucket.org/application/test?param=value", base: "/app", token: jiraToken(t, claims, "s"), want: other},
		{name: "another method", method: "POST", token: jiraToken(t, claims, "s"), want: other},
		{name: "another path", url: "https://api.bitbucket.org/tests?param=value", token: jiraToken(t, claims, "s"), want: other},
		{name: "another value", url: "https://api.bitbucket.org/test?param=values", token: jiraToken(t, claims, "s"), want: other},
		{name: "one more value", url: "https://api.bitbucket.org/test?param=value&param=", token: jiraToken(t, claims, "s"), want: other},
		{name: "a query that can't be read", url: "https://api.bitbucket.org/test?param=value&%", token: jiraToken(t, claims, "s"), want: other},
		{name: "a token of a page and not of a request", token: jiraToken(t, `{"iat":1772355540,"qsh":"context-qsh"}`, "s"), want: other},
		{name: "without a hash", token: jiraToken(t, `{"iat":1772355540}`, "s"), want: other},
		{name: "another secret", token: jiraToken(t, claims, "t"), want: "signature mismatch: the token matches under none of the secrets (1)"},
		{name: "expired", token: jiraToken(t, `{"iat":1,"exp":1772355500,"qsh":"`+jiraHash+`"}`, "s"), want: "timestamp out of tolerance: the token expired 1m40s ago"},
		{name: "too old", tolerance: time.Second, token: jiraToken(t, claims, "s"), want: "timestamp out of tolerance: signed 1m0s ago, which is more than 1s"},
		{name: "without a time", token: jiraToken(t, `{"qsh":"`+jiraHash+`"}`, "s"), want: "signature malformed: the token has no time"},
		{name: "no prefix", token: jiraToken(t, claims, "s")[4:], want: "signature malformed: want header Authorization as JWT <JSON Web Token>"},
		{name: "no token", want: "signature missing: want header Authorization"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			method, at := "GET", documented
			if tc.method != "" {
				method = tc.method
			}
			if tc.url != "" {
				at = tc.url
			}
			scheme := compile(t, "{code: jira_connect, parameters: [{name: base_path, value: '"+tc.base+"'}]}")
			if _, err := scheme.Verify(jiraRequest(t, method, at, tc.token), secrets(t, scheme, "s"), tc.tolerance); text(err) != tc.want {
				t.Errorf("got %q, want %q", text(err), tc.want)
			}
		})
	}
}

// What is signed is verified, for queries of all kinds; and nothing of the body is covered.
func TestJiraConnectSigns(t *testing.T) {
	scheme := compile(t, "{code: jira_connect}")
	keys := secrets(t, scheme, "s")
	for _, at := range []string{
		"https://h.example.com/", "https://h.example.com/a%20b/c&d?x=1&x=%2C&y=a+b&z=~%2A", "https://h.example.com/?b=2&a-=3&a=1", "https://h.example.com",
	} {
		r := jiraRequest(t, "POST", at, "")
		signed, err := scheme.Sign(r, keys[0], "", now)
		if err != nil {
			t.Fatal(err)
		}
		r = signed
		if m, err := scheme.Verify(r, keys, time.Minute); err != nil || !m.TimeCovered {
			t.Errorf("%s: got %+v, %v", at, m, err)
		}
	}
	json, err := signature.PlaceNamed("json", "webhookEvent")
	if err != nil {
		t.Fatal(err)
	}
	query, err := signature.PlaceNamed("query", "user_id")
	if err != nil {
		t.Fatal(err)
	}
	if scheme.CoversBody() || scheme.Covers(json) || !scheme.Covers(query) || !scheme.UsesURL() {
		t.Error("it covers the URL and nothing else")
	}
}

func TestJiraConnectPublishedVectors(t *testing.T) {
	for _, v := range published(t, "jira_connect") {
		hash := regexp.MustCompile(`[0-9a-f]{64}`).FindString(v.Note)
		scheme := compile(t, "{code: jira_connect}")
		token := jiraToken(t, `{"iat":1772355540,"qsh":"`+hash+`"}`, "s")
		if _, err := scheme.Verify(jiraRequest(t, v.Method, v.URL, token), secrets(t, scheme, "s"), 0); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
