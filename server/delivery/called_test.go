package delivery_test

import (
	"net/url"
	"testing"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// The URL that is signed, whole and by its path alone, which some providers sign without scheme and host.
func TestCalled(t *testing.T) {
	for _, tc := range []struct{ public, query, whole, target string }{
		{"https://hooks.example.com", "", "https://hooks.example.com/webhooks/a", "/webhooks/a"},
		{"https://hooks.example.com", "b=1&c", "https://hooks.example.com/webhooks/a?b=1&c", "/webhooks/a?b=1&c"},
		{"https://hooks.example.com:8443/in", "b=1", "https://hooks.example.com:8443/in/webhooks/a?b=1", "/in/webhooks/a?b=1"},
		{"https://hooks.example.com/", "", "https://hooks.example.com/webhooks/a", "/webhooks/a"},
	} {
		public, err := url.Parse(tc.public)
		if err != nil {
			t.Fatal(err)
		}
		u := delivery.Called(public, "/webhooks/a", tc.query)
		if u.String() != tc.whole || u.RequestURI() != tc.target || public.String() != tc.public {
			t.Errorf("%s: got %s and %s, want %s and %s", public, u, u.RequestURI(), tc.whole, tc.target)
		}
	}
}
