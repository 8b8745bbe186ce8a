package method_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/hookbridge/server/publickey"
	"github.com/hookbridge/hookbridge/server/signature"
)

const (
	snsTopic = "arn:aws:sns:eu-central-1:123456789012:orders"
	snsURL   = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	snsLink  = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=t1"
)

// snsMessage is a message that is signed after change has changed its members; what is signed then may be changed again by replacing text in it.
func snsMessage(t testing.TB, a *authority, change func(map[string]any)) string {
	t.Helper()
	m := map[string]any{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": snsTopic, "Message": "one\nline \"more\"", "Subject": "Grüße",
		"Timestamp": "2026-03-01T08:59:00.123Z", "SignatureVersion": "2", "SigningCertURL": snsURL, "UnsubscribeURL": "https://example.com/",
	}
	if change != nil {
		change(m)
	}
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	content := ""
	for _, name := range names {
		if value, ok := m[name].(string); ok {
			content += name + "\n" + value + "\n"
		}
	}
	hash := crypto.SHA256
	if m["SignatureVersion"] == "1" {
		hash = crypto.SHA1
	}
	if _, ok := m["Signature"]; !ok {
		m["Signature"] = base64.StdEncoding.EncodeToString(a.sign(t, content, hash))
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSNS(t *testing.T) {
	a := newAuthority(t)
	good := a.certificate(t, "sns.amazonaws.com", now.AddDate(0, -1, 0), false)
	confirmation := func(m map[string]any) {
		m["Type"], m["SubscribeURL"], m["Token"] = "SubscriptionConfirmation", snsLink, "t1"
		delete(m, "Subject")
	}
	set := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) { m[name] = value }
	}
	for _, tc := range []struct {
		name, topic, confirm string
		change               func(map[string]any)
		spoil                *strings.Replacer
		certificate          string
		tolerance            time.Duration
		want, link           string
		asked                int
	}{
		{name: "version 2", asked: 1},
		{name: "version 1", change: set("SignatureVersion", "1"), asked: 1},
		{name: "without a subject", change: func(m map[string]any) { delete(m, "Subject") }, asked: 1},
		{name: "with a null subject", change: set("Subject", nil), asked: 1},
		{name: "any topic of the account", topic: "arn:aws:sns:eu-central-1:123456789012:*", asked: 1},
		{name: "what isn't signed may be anything", spoil: strings.NewReplacer("https://example.com/", "https://elsewhere.example.com/"), asked: 1},
		{name: "another message", spoil: strings.NewReplacer("one", "two"), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "another version's digest", spoil: strings.NewReplacer(`"SignatureVersion":"2"`, `"SignatureVersion":"1"`), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "an unknown version", change: set("SignatureVersion", "3"), want: "signature malformed: want SignatureVersion 1 or 2"},
		{name: "a subject that was added", change: func(m map[string]any) { delete(m, "Subject") }, spoil: strings.NewReplacer(`"Type"`, `"Subject":"x","Type"`), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "a second message", spoil: strings.NewReplacer(`"Type"`, `"message":"x","Type"`), want: "signature malformed: the body has a member twice"},
		{name: "raw message delivery", spoil: strings.NewReplacer(`"Signature"`, `"Raw"`), want: "signature missing: want JSON field Signature, which raw message delivery doesn't have"},
		{name: "a topic of somebody else", change: set("TopicArn", "arn:aws:sns:eu-central-1:666666666666:orders"), want: "signature mismatch: it is from another topic than the source takes"},
		{name: "a topic that begins like it", topic: "arn:aws:sns:eu-central-1:123456789012:*", change: set("TopicArn", "arn:aws:sns:eu-central-1:123456789012:orders:x"), want: "signature mismatch: it is from another topic than the source takes"},
		{name: "a certificate of another region", change: set("SigningCertURL", strings.Replace(snsURL, "eu-central-1", "us-east-1", 1)), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "a certificate of somebody else", change: set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem"), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "a certificate over http", change: set("SigningCertURL", strings.Replace(snsURL, "https", "http", 1)), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "a certificate with a user", change: set("SigningCertURL", strings.Replace(snsURL, "https://", "https://evil.example@", 1)), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "a certificate in a bucket", change: set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com/x/../SimpleNotificationService-0.pem"), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "a certificate with a query", change: set("SigningCertURL", snsURL+"?x=1"), want: "signature malformed: want SigningCertURL on sns.eu-central-1.amazonaws.com"},
		{name: "in another name", certificate: a.certificate(t, "sns.amazonaws.com.evil.example", now, false), asked: 1, want: "signature mismatch: the certificate is in another name"},
		{name: "out of date", certificate: a.certificate(t, "sns.amazonaws.com", now.AddDate(-2, 0, 0), false), asked: 1, want: "signature mismatch: the certificate is out of date"},
		{name: "a chain to nobody", certificate: a.certificate(t, "sns.amazonaws.com", now.AddDate(0, -1, 0), true), asked: 1, want: "signature mismatch: the certificate has a chain that leads to nobody who is known"},
		{name: "unavailable", certificate: "-", asked: 1, want: "key unavailable: public key unavailable"},
		{name: "an unknown type", change: set("Type", "Other"), want: "signature malformed: want Type Notification, SubscriptionConfirmation or UnsubscribeConfirmation"},
		{name: "a message that is no text", change: set("Message", 1), want: "signature malformed: want JSON field Message as a text"},
		{name: "a signature that is none", change: set("Signature", "%"), want: "signature malformed: want the signature in base64"},
		{name: "too old", tolerance: 30 * time.Second, asked: 1, want: "timestamp out of tolerance: signed 1m0s ago, which is more than 30s"},
		{name: "a confirmation that isn't confirmed", change: confirmation, asked: 1},
		{name: "a confirmation", confirm: "true", change: confirmation, asked: 1, link: snsLink},
		{name: "another link", confirm: "true", change: confirmation, spoil: strings.NewReplacer("Token=t1", "Token=t2"), asked: 1, want: "signature mismatch: it doesn't match under the certificate"},
		{name: "a link that leads elsewhere", confirm: "true", change: func(m map[string]any) {
			confirmation(m)
			m["SubscribeURL"] = "https://169.254.169.254/?Action=ConfirmSubscription&TopicArn=" + snsTopic
		}, asked: 1, want: "signature malformed: want SubscribeURL on sns.eu-central-1.amazonaws.com, for this topic"},
		{name: "a link that does something else", confirm: "true", change: func(m map[string]any) {
			confirmation(m)
			m["SubscribeURL"] = strings.Replace(snsLink, "ConfirmSubscription", "DeleteTopic", 1)
		}, asked: 1, want: "signature malformed: want SubscribeURL on sns.eu-central-1.amazonaws.com, for this topic"},
		{name: "an unsubscription is never undone", confirm: "true", change: func(m map[string]any) { confirmation(m); m["Type"] = "UnsubscribeConfirmation" }, asked: 1},
		{name: "a notification has no link", confirm: "true", change: set("SubscribeURL", snsLink), asked: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := snsTopic
			if tc.topic != "" {
				topic = tc.topic
			}
			scheme := compile(t, fmt.Sprintf("{code: aws_sns, parameters: [{name: topic_arn, value: %q}, {name: confirm, value: %q}]}", topic, tc.confirm))
			body := snsMessage(t, a, tc.change)
			if tc.spoil != nil {
				body = tc.spoil.Replace(body)
			}
			f := &hosts{documents: map[string]string{snsURL: good}}
			switch tc.certificate {
			case "":
			case "-":
				f.documents = nil
			default:
				f.documents[snsURL] = tc.certificate
			}
			m, err := scheme.VerifyFetching(t.Context(), request(body), nil, tc.tolerance, f)
			if text(err) != tc.want || m.Confirm != tc.link {
				t.Errorf("got %q and the link %q, want %q and %q", text(err), m.Confirm, tc.want, tc.link)
			}
			if err == nil && (m.ID != "m-1" || !m.Time.Equal(time.Date(2026, 3, 1, 8, 59, 0, 123e6, time.UTC))) {
				t.Errorf("got id %q, time %v", m.ID, m.Time)
			}
			if len(f.asked) != tc.asked || tc.asked == 1 && (f.asked[0].URL != snsURL || f.asked[0].Scope == "" || f.asked[0].Peer != "203.0.113.7") {
				t.Errorf("asked for %+v", f.asked)
			}
		})
	}
}

func TestSNSCovers(t *testing.T) {
	scheme := compile(t, "{code: aws_sns}")
	for path, want := range map[string]bool{"Message": true, "MessageId": true, "Type": true, "Subject": false, "UnsubscribeURL": false, "MessageAttributes.a.Value": false} {
		p, err := signature.PlaceNamed("json", path)
		if err != nil {
			t.Fatal(err)
		}
		if scheme.Covers(p) != want {
			t.Errorf("%s: covered is %v", path, !want)
		}
	}
	if scheme.CoversBody() {
		t.Error("the whole body isn't covered")
	}
}

// A certificate on which the signature is right and whose key is no RSA key is none of SNS.
func TestSNSWantsRSA(t *testing.T) {
	a := newAuthority(t)
	scheme := compile(t, "{code: aws_sns, parameters: [{name: topic_arn, value: '"+snsTopic+"'}]}")
	f := &hosts{documents: map[string]string{snsURL: "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"}}
	_, err := scheme.VerifyFetching(t.Context(), request(snsMessage(t, a, nil)), nil, 0, f)
	if !errors.Is(err, signature.ErrMismatch) || errors.Is(err, publickey.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
