package provider

import (
	"bytes"
	"slices"
	"testing"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/internal/sdktest"
	"github.com/hookbridge/hookbridge/server/signature"
)

// TestOfficialSDKs asks the providers' own libraries about the fixtures: what the bridge takes they take, what was changed they refuse, and what they
// sign the bridge takes. It is what `proof: sdk` stands for.
func TestOfficialSDKs(t *testing.T) {
	libraries := sdktest.Start(t)
	catalogue, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range libraries.Keys() {
		if _, ok := catalogue.Get(key); !ok {
			t.Errorf("there is a library of %s and no pack", key)
		}
	}
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		can := libraries.Ability(key)
		asked := 0
		for _, c := range readFixture(t, key).GetCases() {
			if c.GetOrigin() != "sdk" {
				continue
			}
			asked++
			t.Run(key+"/"+c.GetName(), func(t *testing.T) {
				if can.Verify {
					verifies(t, libraries, pack, c)
				}
				if can.Sign && c.GetOrigin() == "sdk" {
					signs(t, libraries, pack, c)
				}
			})
		}
		// What a published vector proves needs no library as well.
		if (can.Verify || can.Sign) && asked == 0 && pack.Spec().GetProof() != "vector" {
			t.Errorf("%s: there is a library and no case of origin sdk for it", key)
		}
		if pack.Spec().GetProof() == "sdk" && !can.Verify && !can.Sign {
			t.Errorf("%s says that it is proven by the provider's own code, which is not here", key)
		}
	}
}

func question(t *testing.T, key string, c *providerv1.Case) sdktest.Request {
	t.Helper()
	r := fixtureRequest(t, c)
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[name] = values[0]
	}
	return sdktest.Request{
		Key: key, Do: "verify", Secret: c.GetSecrets()[0], Settings: c.GetSettings(), At: r.ReceivedAt.UnixMilli(),
		Method: r.Method, URL: r.URL.String(), Headers: headers, Body: r.Body,
	}
}

func verifies(t *testing.T, libraries *sdktest.Libraries, pack *Pack, c *providerv1.Case) {
	t.Helper()
	r := question(t, pack.Key(), c)
	if answer := libraries.Ask(t, r); !answer.OK {
		t.Errorf("the provider's own library refuses what the bridge takes: %s", answer.Error)
	}
	r.Secret = anotherSecret(r.Secret)
	if answer := libraries.Ask(t, r); answer.OK {
		t.Error("the provider's own library takes any secret: this proves nothing")
	}
	if n := bytes.LastIndexFunc(r.Body, func(c rune) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }); n >= 0 && pack.coversBody() && !libraries.Ability(pack.Key()).TokenOnly {
		r = question(t, pack.Key(), c)
		r.Body = bytes.Clone(r.Body)
		r.Body[n] ^= 1
		if answer := libraries.Ask(t, r); answer.OK {
			t.Error("the provider's own library takes another body: this proves nothing")
		}
	}
}

// anotherSecret is one of the same form: a letter or digit in the middle is another.
func anotherSecret(secret string) string {
	changed := []byte(secret)
	if at := len(changed) / 2; changed[at] == '1' {
		changed[at] = '2'
	} else {
		changed[at] = '1'
	}
	return string(changed)
}

// signs lets the library sign the case's body with the case's secret; the bridge has to take it, and not with another body.
func signs(t *testing.T, libraries *sdktest.Libraries, pack *Pack, c *providerv1.Case) {
	t.Helper()
	question := question(t, pack.Key(), c)
	question.Do, question.ID = "sign", "sdk-1"
	answer := libraries.Ask(t, question)
	if answer.Error != "" {
		t.Fatal(answer.Error)
	}
	source, r := fixtureSource(t, pack, c), fixtureRequest(t, c)
	for name, value := range answer.Headers {
		r.Header.Set(name, value)
	}
	outcome, err := source.Receive(t.Context(), r)
	if err != nil || len(outcome.Verified) == 0 {
		t.Fatalf("the bridge refuses what the provider's own library signed: %v", err)
	}
	if !outcome.Verified[0].Auth.BodyCovered {
		return
	}
	r.Body = bytes.Replace(r.Body, []byte("e"), []byte("E"), 1)
	if _, err := source.Receive(t.Context(), r); err == nil {
		t.Error("the bridge takes another body under the same signature")
	}
}

func (p *Pack) coversBody() bool {
	return !slices.ContainsFunc(p.schemes, func(s *signature.Scheme) bool { return !s.CoversBody() })
}
