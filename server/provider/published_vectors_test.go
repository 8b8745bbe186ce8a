package provider

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/internal/sharedtest"
)

// published says how the collection's vectors of a provider are checked.
type published struct {
	// The pack that they are for, and its scheme where the source has to name one.
	pack, scheme string
	// The places of which not all is signed, and why. Of "body", "signature", "time", "url" and "secret" every other one is flipped, bit
	// by bit.
	open map[string]string
	// The members of the body's document that are signed, where the rest of the body is not.
	members []string
	// Where the signature is when the scheme's places don't say: a header's token, or a member of the document.
	token, member string
	// Whether the method is signed.
	method bool
	// What the collection leaves out of a delivery.
	complete func(t *testing.T, v *vector)
}

const (
	noURL  = "the URL is no part of what is signed"
	noTime = "nothing that is signed says when it was sent"
)

var (
	bodyAlone = map[string]string{"url": noURL, "time": noTime}
	withTime  = map[string]string{"url": noURL}
	withURL   = map[string]string{"time": noTime}
)

// collected has every provider of which the collection has vectors.
var collected = map[string]published{
	"adyen": {
		pack: "adyen", members: []string{
			"pspReference", "merchantAccountCode", "merchantReference", "value", "currency", "eventCode", "success",
		}, member: "hmacSignature",
		open: map[string]string{"url": noURL, "time": noTime, "body": "of an item the reference, the merchant, the amount, the event code and the success are signed"},
	},
	"bitbucket":         {pack: "bitbucket", open: bodyAlone},
	"bitbucket-server":  {pack: "bitbucket_dc", open: bodyAlone},
	"box":               {pack: "box", open: withTime},
	"coinbase-commerce": {pack: "coinbase_commerce", open: bodyAlone},
	"coinbase_commerce": {pack: "coinbase_commerce", open: bodyAlone},
	"dropbox-sign":      dropboxSign,
	"dropbox_sign":      dropboxSign,
	"gitea":             {pack: "gitea", open: bodyAlone},
	"github":            {pack: "github", open: bodyAlone},
	"gogs":              {pack: "gitea", open: bodyAlone},
	"hubspot/v1":        {pack: "hubspot", scheme: "v1", open: bodyAlone},
	"hubspot/v2.get":    {pack: "hubspot", scheme: "v2", open: withURL, method: true},
	"jira_connect": {
		pack: "jira_connect", token: "Authorization", method: true, complete: signAtlassian,
		open: map[string]string{"body": "the token covers method, path and query", "url": "scheme and host are no part of the canonical request"},
	},
	"lithic":          {pack: "lithic", open: withTime},
	"messagebird":     {pack: "messagebird"},
	"modern_treasury": {pack: "modern_treasury", open: bodyAlone},
	"mux":             {pack: "mux", open: withTime},
	"notion":          {pack: "notion", open: bodyAlone},
	"openai":          {pack: "openai", open: withTime},
	"orb":             {pack: "orb", open: withTime},
	"paddle":          {pack: "paddle", open: withTime},
	"pagerduty":       {pack: "pagerduty", open: bodyAlone},
	"sendgrid":        {pack: "sendgrid", open: withTime},
	"slack":           {pack: "slack", open: withTime},
	"square":          {pack: "square", open: withURL},
	"stripe":          {pack: "stripe", open: withTime},
	"svix":            {pack: "svix", open: withTime},
	"twilio":          {pack: "twilio", open: withURL},
	"twilio/json.bodySHA256": {pack: "twilio", open: withURL, complete: func(_ *testing.T, v *vector) {
		// The collection has the body's hash alone. The signature of that URL is in the same file of twilio-python.
		v.Headers["X-Twilio-Signature"] = "a9nBmqA0ju/hNViExpshrM61xv4="
	}},
	"webflow": {pack: "webflow", open: withTime},
	"wise":    {pack: "wise", open: bodyAlone},
}

var dropboxSign = published{
	pack: "dropbox_sign", members: []string{"event_time", "event_type"}, member: "event_hash", complete: wrapDropboxSign,
	open: map[string]string{"url": noURL, "time": "event_time is when it happened, and is signed as a part of the body", "body": "of the document the event's time and type are signed"},
}

// unsigned are the collection's examples that have no signature, and that no pack is for.
var unsigned = map[string]string{
	"cloudevents/binary.application/json":                                "a CloudEvent in binary mode: the binding has no signature, and there is no pack for CloudEvents",
	"cloudevents/binary.application/json; charset=utf-8":                 "the same with a charset",
	"cloudevents/minimum.conformance-0001":                               "a CloudEvent in binary mode, of text",
	"cloudevents/minimum.conformance-0002":                               "a CloudEvent in binary mode, of text",
	"cloudevents/minimum.conformance-0003":                               "a CloudEvent in binary mode, of JSON",
	"cloudevents/minimum.conformance-0004":                               "a CloudEvent in binary mode, of JSON",
	"cloudevents/minimum.conformance-0005":                               "a CloudEvent in binary mode, of bytes",
	"cloudevents/minimum.conformance-0006":                               "a CloudEvent in binary mode, without data",
	"cloudevents/structured.application/cloudevents+json; charset=utf-8": "a CloudEvent in structured mode",
}

// Every published vector of the collection is taken by the source that a pack makes, at its time, with its URL and method, and refused
// when one bit changes of its body, signature, time, URL or secret. Each one is accounted for: what isn't verified is listed by its name.
func TestPublishedVectors(t *testing.T) {
	list := readVectors(t)
	verified, refused, unused, untried := 0, 0, maps.Clone(unsigned), maps.Clone(collected)
	for _, v := range list {
		name := v.Provider + "/" + v.Name
		if _, ok := unsigned[name]; ok {
			if v.Secret != "" || v.PublicKey != "" {
				t.Errorf("%s has a key, and is listed as unsigned", name)
			}
			delete(unused, name)
			continue
		}
		key := name
		how, ok := collected[key]
		if !ok {
			key = v.Provider
			how, ok = collected[key]
		}
		delete(untried, key)
		if !ok {
			t.Errorf("%s: neither is it checked nor listed as unsigned", name)
			continue
		}
		if v.Expect == "invalid" {
			refused++
		} else {
			verified++
		}
		t.Run(name, func(t *testing.T) { how.check(t, v) })
	}
	if len(unused)+len(untried) > 0 {
		t.Errorf("listed, and not in the collection: %v %v", slices.Sorted(maps.Keys(unused)), slices.Sorted(maps.Keys(untried)))
	}
	if verified != 67 || refused != 2 || len(unsigned) != 9 || len(list) != 78 {
		t.Errorf("%d vectors: %d verified, %d refused, %d unsigned; want 78: 67, 2, 9", len(list), verified, refused, len(unsigned))
	}
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	content, err := os.ReadFile(sharedtest.Path(t, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(sharedtest.Path(t, "payloads", "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
		if err != nil {
			t.Fatal(err)
		}
		v.Body = string(body)
		list = append(list, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// wrapDropboxSign puts the document into the form that it is sent in.
func wrapDropboxSign(_ *testing.T, v *vector) {
	v.Headers = map[string]string{"Content-Type": "multipart/form-data; boundary=edge"}
	v.Body = "--edge\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n" + v.Body + "\r\n--edge--\r\n"
}

// signAtlassian makes the token around the published hash of the request: the collection has method, URL and hash, and no token.
func signAtlassian(t *testing.T, v *vector) {
	qsh, ok := strings.CutPrefix(v.Note, "qsh claim ")
	if !ok {
		t.Fatalf("no hash: %q", v.Note)
	}
	v.Secret = "a-secret-of-this-test"
	claims := fmt.Sprintf(`{"iss":"jira:1","iat":%d,"exp":%d,"qsh":%q}`, now.Unix(), now.Unix()+180, qsh)
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(v.Secret))
	mac.Write([]byte(token))
	v.Headers = map[string]string{"Authorization": "JWT " + token + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))}
}

// vectorCase is a vector as a case of a fixture.
func vectorCase(t *testing.T, pack *Pack, v vector) *providerv1.Case {
	t.Helper()
	secret := v.Secret
	if v.PublicKey != "" {
		secret = v.PublicKey
	}
	_, spec := vectorSource(t, pack, secret)
	return &providerv1.Case{
		Name: v.Name, Secrets: []string{secret}, Headers: v.Headers, Content: &providerv1.Case_BodyBytes{BodyBytes: []byte(v.Body)}, Method: v.Method, Url: v.URL,
		At: timestamppb.New(vectorTime(t, spec, v.Headers)),
	}
}
