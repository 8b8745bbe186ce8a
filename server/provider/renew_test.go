package provider

import "testing"

// Another delivery of the same has other ids, wherever its provider has them, and nothing else is another.
func TestRenew(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, provider, document, want string }{
		{"one event", "stripe", `{"id":"evt_1","type":"x"}`, `{"id":"evt_new","type":"x"}`},
		{"no id", "stripe", `{"type":"x"}`, `{"type":"x"}`},
		{"an id that is a number", "stripe", `{"id":7}`, `{"id":7}`},
		{"an id in a header", "github", `{"id":"1"}`, `{"id":"1"}`},
		{"the body is a list", "sendgrid", ` [ {"sg_event_id":"a","n":1} , {"n":"]"},{"sg_event_id":"a"} ] `, `[{"sg_event_id":"new-1","n":1},{"n":"]"},{"sg_event_id":"new-3"}]`},
		{"a list of one", "sendgrid", `[{"sg_event_id":"a"}]`, `[{"sg_event_id":"new"}]`},
		{"an empty list", "sendgrid", `[]`, `[]`},
		{"a list that is none", "sendgrid", `{"sg_event_id":"a"}`, `{"sg_event_id":"a"}`},
		{"a list in the document", "gocardless", `{"id":"w","events": [{"id":"EV1","events":[{"id":"EV1"}]}],"meta":{"events":[]}}`, `{"id":"w","events": [{"id":"new","events":[{"id":"EV1"}]}],"meta":{"events":[]}}`},
		{"a list further down", "okta", `{"data":{"events":[{"uuid":"a"},{"uuid":"a"}]}}`, `{"data":{"events":[{"uuid":"new-1"},{"uuid":"new-2"}]}}`},
		{"no list", "okta", `{"data":{}}`, `{"data":{}}`},
		{"an id of several parts", "adyen", `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"a","eventCode":"X","success":"true"}}]}`, `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"new","eventCode":"X","success":"true"}}]}`},
		{"another place of an id", "auth0", `[{"_id":"a"},{"log_id":"b","_id":"c"}]`, `[{"_id":"new-1"},{"log_id":"new-2","_id":"c"}]`},
		{"lines", "auth0", "{\"log_id\":\"a\"}\n\n{\"log_id\":\"b\"}\n", "{\"log_id\":\"new-1\"}\n{\"log_id\":\"new-2\"}"},
		{"what is no JSON", "auth0", "log_id", "log_id"},
		{"events without ids", "xero", `{"events":[{"id":"a"}]}`, `{"events":[{"id":"a"}]}`},
		{"events that keep what is around them", "meta", `{"entry":[{"id":"1","changes":[{"id":"a"}]}]}`, `{"entry":[{"id":"1","changes":[{"id":"a"}]}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pack, ok := catalogue.Get(tc.provider)
			if !ok {
				t.Fatalf("there is no %s", tc.provider)
			}
			if got := string(pack.Renew([]byte(tc.document), "new")); got != tc.want {
				t.Errorf("want %s\ngot  %s", tc.want, got)
			}
		})
	}
}

// Who has put an id there wants that one.
func TestHasID(t *testing.T) {
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		provider, path string
		want           bool
	}{
		{"stripe", "id", true},
		{"stripe", "data.id", false},
		{"github", "", false},
		{"sendgrid", "0.sg_event_id", true},
		{"sendgrid", "0.event", false},
		{"adyen", "notificationItems.0.NotificationRequestItem.pspReference", true},
		{"adyen", "notificationItems.0.NotificationRequestItem.amount.value", false},
		{"gocardless", "events.-1.id", true},
		{"gocardless", "events.0.links.id", false},
		{"gocardless", "meta.id", false},
		{"gocardless", "0.id", false},
		{"gocardless", "events0.id", false},
		{"auth0", "_id", true},
		{"auth0", "0.data.log_id", false},
	} {
		if pack, _ := catalogue.Get(tc.provider); pack.HasID(tc.path) != tc.want {
			t.Errorf("%s: %q: want %t", tc.provider, tc.path, tc.want)
		}
	}
}
