package method

import (
	"context"
	"crypto"
	_ "crypto/sha1" // SignatureVersion 1
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// sns checks messages of Amazon SNS over HTTPS: the signature and the certificate's URL are in the body, and the signature covers
// some of the body's members.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
//
// Everybody with an AWS account can have SNS sign a message of theirs, so the parameter topic_arn says whose are taken: a topic, or
// all of an account in a region, with "*" in place of the topic's name; without an ARN nothing is. It also says which host the certificate comes from. With confirm "true" a
// subscription of that topic is confirmed by itself; otherwise its request is an event like others, for the operator to follow the link in it.
// Raw message delivery is not signed and can't be verified.
type sns struct {
	topic   string // empty: nobody has said it
	host    string
	confirm bool
	certificates
}

var (
	topicARN        = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,32}):[0-9]{12}:([A-Za-z0-9_.-]{1,256}|\*)$`)
	snsCertificate  = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$`)
	snsName         = regexp.MustCompile(`^sns(\.[a-z0-9-]{3,32})?\.amazonaws\.com(\.cn)?$`)
	snsNotification = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	snsConfirmation = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
)

func newSNS(spec *providerv1.Scheme) (signature.Method, error) {
	values, err := parameters(spec, "topic_arn", "confirm")
	if err != nil {
		return nil, err
	}
	s := &sns{topic: values["topic_arn"], confirm: values["confirm"] == "true", certificates: certificates{name: snsName}}
	parts := topicARN.FindStringSubmatch(s.topic)
	if parts == nil {
		// A pack is compiled before anybody has said what the topic is. It takes nothing then.
		s.topic = ""
		return s, nil
	}
	s.host = "sns." + parts[2] + ".amazonaws.com"
	if parts[1] == "aws-cn" {
		s.host += ".cn"
	}
	return s, nil
}

// Traits implements signature.Method.
func (s *sns) Traits() signature.Traits {
	return signature.Traits{
		Keyless: true, Fetched: true, Stamped: true,
		Confirms: "A signed POST of the type `SubscriptionConfirmation` is an event. Where the setting `confirm` is true its `SubscribeURL` is visited first, which " +
			"confirms the subscription; while that fails, the answer is 503 and SNS asks again.",
	}
}

// Covers implements signature.Method.
func (s *sns) Covers(p signature.Place) bool {
	// SubscribeURL and Token are signed in some types only.
	return slices.Contains([]string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"}, p.Path())
}

// Verify implements signature.Method.
func (s *sns) Verify(ctx context.Context, c signature.Check) (signature.Match, error) {
	member := func(name string) gjson.Result { return gjson.GetBytes(c.Request.Body, name) }
	signed := member("Signature").Str
	if signed == "" {
		return signature.Match{}, fmt.Errorf("%w: want JSON field Signature, which raw message delivery doesn't have", signature.ErrMissing)
	}
	if err := signature.Unambiguous(c.Request.Body); err != nil {
		return signature.Match{}, err
	}
	if !s.takes(member("TopicArn").Str) {
		return signature.Match{}, fmt.Errorf("%w: it is from another topic than the source takes", signature.ErrMismatch)
	}
	var hash crypto.Hash
	switch member("SignatureVersion").String() {
	case "1":
		hash = crypto.SHA1
	case "2":
		hash = crypto.SHA256
	default:
		return signature.Match{}, fmt.Errorf("%w: want SignatureVersion 1 or 2", signature.ErrMalformed)
	}
	location, err := url.Parse(member("SigningCertURL").Str)
	if err != nil || location.String() != "https://"+s.host+location.Path || !snsCertificate.MatchString(location.Path) {
		return signature.Match{}, fmt.Errorf("%w: want SigningCertURL on %s", signature.ErrMalformed, s.host)
	}
	content, err := snsContent(member)
	if err != nil {
		return signature.Match{}, err
	}
	if err := s.verify(ctx, c, location.String(), "aws_sns "+s.topic, hash, content, signed); err != nil {
		return signature.Match{}, err
	}
	m := signature.Match{ID: member("MessageId").Str}
	if m.Time, err = time.Parse(time.RFC3339, member("Timestamp").Str); err != nil {
		return signature.Match{}, fmt.Errorf("%w: the timestamp can't be read", signature.ErrMalformed)
	}
	if c.Tolerance > 0 {
		m.TimeCovered = true
		if err := signature.Fresh(m.Time, c.Request.ReceivedAt, c.Tolerance); err != nil {
			return signature.Match{}, err
		}
	}
	if s.confirm && member("Type").Str == "SubscriptionConfirmation" {
		m.Confirm, err = s.confirmation(member("SubscribeURL").Str, member("TopicArn").Str)
	}
	return m, err
}

// takes reports whether messages of a topic are taken.
func (s *sns) takes(topic string) bool {
	if account, all := strings.CutSuffix(s.topic, ":*"); all {
		name, ok := strings.CutPrefix(topic, account+":")
		return ok && !strings.Contains(name, ":")
	}
	return s.topic != "" && topic == s.topic
}

// snsContent is what is signed.
func snsContent(member func(string) gjson.Result) ([]byte, error) {
	names := snsNotification
	switch member("Type").Str {
	case "Notification":
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		names = snsConfirmation
	default:
		return nil, fmt.Errorf("%w: want Type Notification, SubscriptionConfirmation or UnsubscribeConfirmation", signature.ErrMalformed)
	}
	var b strings.Builder
	for _, name := range names {
		value := member(name)
		switch {
		case value.Type == gjson.String:
			fmt.Fprintf(&b, "%s\n%s\n", name, value.Str)
		case name == "Subject" && (!value.Exists() || value.Type == gjson.Null):
		default:
			return nil, fmt.Errorf("%w: want JSON field %s as a text", signature.ErrMalformed, name)
		}
	}
	return []byte(b.String()), nil
}

// confirmation checks a link that is about to be visited. It is signed; it must also lead where such links lead.
func (s *sns) confirmation(link, topic string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.Host != s.host || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != topic {
		return "", fmt.Errorf("%w: want SubscribeURL on %s, for this topic", signature.ErrMalformed, s.host)
	}
	return u.String(), nil
}
