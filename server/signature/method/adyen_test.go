package method_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
	"github.com/hookbridge/hookbridge/server/signature"
)

// The worked example in Adyen's documentation.
const (
	adyenSecret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
	adyenFirst  = `{"NotificationRequestItem":{"pspReference":"7914073381342284","merchantAccountCode":"TestMerchant","merchantReference":"TestPayment-1407325143704","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}}}`
)

func TestAdyen(t *testing.T) {
	scheme := compile(t, "{code: adyen, key: {encoding: hex}}")
	keys := secrets(t, scheme, strings.Repeat("00", 32), adyenSecret)
	const where = "JSON field additionalData.hmacSignature of each item"
	body := func(items ...string) string {
		return `{"live":"false","notificationItems":[` + strings.Join(items, ",") + `]}`
	}
	for _, tc := range []struct{ name, body, want string }{
		{"right", body(adyenFirst), ""},
		{"two that are right", body(adyenFirst, adyenFirst), ""},
		{"what isn't signed may be anything", body(strings.Replace(adyenFirst, `"success"`, `"reason":"x","success"`, 1)), ""},
		{"one that is right and one that isn't", body(adyenFirst, strings.Replace(adyenFirst, "1130", "1131", 1)), "signature mismatch: not all items match under one of the secrets (2)"},
		{"one that isn't signed", body(adyenFirst, `{"NotificationRequestItem":{"pspReference":"x"}}`), "signature missing: item 1 has none; want " + where},
		{"a value twice", body(strings.Replace(adyenFirst, `"success"`, `"eventcode":"REFUND","success"`, 1)), "signature malformed: the body has a member twice"},
		{"a signature that is none", body(strings.Replace(adyenFirst, "coq", "%%%", 1)), "signature malformed: want " + where + " in base64"},
		{"no item", body(), "signature missing: there is no item"},
		{"no items", `{}`, "signature missing: want " + where + " in notificationItems"},
		{"too many", body(strings.Split(strings.Repeat(`{}`+"\n", 1001), "\n")[:1001]...), "signature malformed: there are more than 1000 items"},
		{"no JSON", `{"notificationItems":[{}`, "signature malformed: the body is no JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := scheme.Verify(request(tc.body), keys, 0)
			if text(err) != tc.want || err == nil && m.Key != 1 {
				t.Errorf("got %q, key %d, want %q", text(err), m.Key, tc.want)
			}
		})
	}
}

// The values are signed joined by colons. One that was signed can't be cut into others, though the merchant's own reference may have a colon.
func TestAdyenCutsInOneWay(t *testing.T) {
	scheme := compile(t, "{code: adyen, key: {encoding: hex}}")
	keys := secrets(t, scheme, adyenSecret)
	mac := hmac.New(sha256.New, keys[0].Secret())
	mac.Write([]byte("psp::shop:order:7:1130:EUR:AUTHORISATION:true"))
	sign := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, tc := range []struct{ psp, original, account, reference, want string }{
		{"psp", "", "shop", "order:7", ""},
		{"psp:", "shop", "order", "7", "signature malformed: item 0: want no colon in pspReference"},
		{"psp", "", "shop:order", "7", "signature malformed: item 0: want no colon in merchantAccountCode"},
		{"psp", ":shop", "order", "7", "signature malformed: item 0: want no colon in originalReference"},
	} {
		body := fmt.Sprintf(`{"notificationItems":[{"NotificationRequestItem":{"pspReference":%q,"originalReference":%q,"merchantAccountCode":%q,`+
			`"merchantReference":%q,"amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":%q}}}]}`,
			tc.psp, tc.original, tc.account, tc.reference, sign)
		if _, err := scheme.Verify(request(body), keys, 0); text(err) != tc.want {
			t.Errorf("%+v: got %q", tc, text(err))
		}
	}
}

// Every value that is signed, with one character changed.
func TestAdyenCovers(t *testing.T) {
	scheme := compile(t, "{code: adyen, key: {encoding: hex}}")
	keys := secrets(t, scheme, adyenSecret)
	for path, value := range map[string]string{
		"pspReference": "7914073381342284", "merchantAccountCode": "TestMerchant", "merchantReference": "TestPayment-1407325143704",
		"amount.value": "1130", "amount.currency": "EUR", "eventCode": "AUTHORISATION", "success": "true",
	} {
		changed := strings.Replace(adyenFirst, value, value[:len(value)-1]+"1", 1)
		if _, err := scheme.Verify(request(`{"notificationItems":[`+changed+`]}`), keys, 0); err == nil {
			t.Errorf("%s changed, and still taken", path)
		}
		for _, before := range []string{"NotificationRequestItem.", "notificationItems.0.NotificationRequestItem."} {
			p, err := signature.PlaceNamed("json", before+path)
			if err != nil {
				t.Fatal(err)
			}
			if !scheme.Covers(p) {
				t.Errorf("%s isn't covered", p)
			}
		}
	}
	for _, path := range []string{"pspReference", "NotificationRequestItem.reason", "live", "NotificationRequestItem.eventDate"} {
		p, err := signature.PlaceNamed("json", path)
		if err != nil {
			t.Fatal(err)
		}
		if scheme.Covers(p) || scheme.CoversBody() {
			t.Errorf("%s is covered", p)
		}
	}
}

// What is signed is what the worked example has, each item by itself, and what was signed before is signed anew.
func TestAdyenSigns(t *testing.T) {
	scheme := compile(t, "{code: adyen, key: {encoding: hex}}")
	keys := secrets(t, scheme, adyenSecret)
	wrap := func(items ...string) string {
		return `{"live":"false","notificationItems":[` + strings.Join(items, ",") + `]}`
	}
	const right, where = `"additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="}`, "want an object in NotificationRequestItem, and one or nothing in its additionalData"
	unsigned := strings.Replace(adyenFirst, ","+right, "", 1)
	for _, tc := range []struct{ name, body, want, err string }{
		{"no signature yet", wrap(unsigned), wrap(adyenFirst), ""},
		{"an old signature", wrap(strings.Replace(adyenFirst, "coq", "abc", 1)), wrap(adyenFirst), ""},
		{"two items", wrap(unsigned, adyenFirst), wrap(adyenFirst, adyenFirst), ""},
		{
			"something beside it", wrap(strings.Replace(adyenFirst, right, `"additionalData":{"a":1}`, 1)),
			wrap(strings.Replace(adyenFirst, right, strings.Replace(right, `{`, `{"a":1,`, 1), 1)), "",
		},
		{"no items", `{}`, "", "cannot sign: want 1 to 1000 items in the JSON field notificationItems"},
		{"no item", wrap(), "", "cannot sign: want 1 to 1000 items in the JSON field notificationItems"},
		{"no JSON", `{"notificationItems":[{}`, "", "cannot sign: signature malformed: the body is no JSON"},
		{"no object", wrap(`{"NotificationRequestItem":"x"}`), "", "cannot sign: item 0: " + where},
		{"a text in its place", wrap(strings.Replace(adyenFirst, right, `"additionalData":"x"`, 1)), "", "cannot sign: item 0: " + where},
		{"a colon", wrap(strings.Replace(unsigned, "EUR", "EU:R", 1)), "", "cannot sign: signature malformed: item 0: want no colon in amount.currency"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := scheme.Sign(request(tc.body), keys[0], "", now)
			if tc.err != "" {
				if !errors.Is(err, signature.ErrCannotSign) || err.Error() != tc.err {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil || string(got.Body) != tc.want || string(got.Document) != tc.want {
				t.Fatalf("got %s, %v, want %s", got.Body, err, tc.want)
			}
			if _, err := scheme.Verify(got, keys, 0); err != nil {
				t.Error(err)
			}
		})
	}
	if !scheme.SignsWithSecret() {
		t.Error("the secret is said to sign nothing")
	}
}

// published are vectors of the collection that is beside the repository.
func published(t *testing.T, provider string) []sharedVector {
	t.Helper()
	content, err := os.ReadFile(sharedtest.Path(t, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all, found []sharedVector
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Provider == provider {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no vector of %s", provider)
	}
	return found
}

type sharedVector struct {
	Name, Provider, Secret, Body, URL, Method, Note string
}

func TestAdyenPublishedVectors(t *testing.T) {
	for _, v := range published(t, "adyen") {
		scheme := compile(t, "{code: adyen, key: {encoding: hex}}")
		if _, err := scheme.Verify(request(v.Body), secrets(t, scheme, v.Secret), 0); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
