package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// differently are the packs that write the same thing in another way than the table, or that know more.
var differently = map[string]string{
	"alertmanager/id":      "the group has one, and the notification none",
	"calendly/id":          "the invitee has one, and the event none",
	"grafana/id":           "the group has one, and the notification none",
	"klaviyo/id":           "the webhook has one, and the delivery none",
	"mollie_classic/id":    "the payment has one, and the event none",
	"okta/id":              "each of the events has one of its own, which the table names without a place",
	"postmark/id":          "the message has one, and the event none",
	"webflow/id":           "the object has one, and the event none",
	"woocommerce/id":       "two deliveries within a second share it, by WooCommerce's own code",
	"xero/id":              "the delivery has a sequence, and the events have none",
	"zoom/id":              "nothing but the time and the payload tells one from another",
	"braintree/content":    "the table also names the payload with its last newline lost, which the pack doubts",
	"configcat/content":    "the header is the id that is signed",
	"framer/content":       "the header is the id that is signed",
	"grafana/header":       "the names of the headers are settings",
	"grafana/content":      "with and without a time are two schemes",
	"lob/content":          "the time's unit is not known, so that it is signed as a header",
	"mailgun/content":      "the member is the time that is signed",
	"mercado_pago/content": "the parts may be absent, so that they are content_parts",
	"twitch/content":       "the header is the id that is signed",
}

var headerName = regexp.MustCompile(`header:([A-Za-z0-9-]+[A-Za-z0-9])`)

// compareProof compares how a delivery is proven. A scheme that is code is described by its code, and tried by its vectors.
func (r row) compareProof(t *testing.T, spec *providerv1.Pack) {
	schemes := slices.DeleteFunc(slices.Clone(spec.GetSchemes()), func(s *providerv1.Scheme) bool { return s.GetAlgorithm() == "code" })
	if len(schemes) == 0 {
		return
	}
	some := func(what, want string, holds func(*providerv1.Scheme) bool) {
		t.Helper()
		if _, ok := differently[r.Key+"/"+what]; ok != slices.ContainsFunc(schemes, holds) {
			return
		} else if ok {
			t.Errorf("the %s is as the table says, %q, and listed as written differently", what, want)
			return
		}
		t.Errorf("no scheme has the %s %q", what, want)
	}
	algorithm := strings.TrimSuffix(r.Algorithm, "-concat")
	switch {
	case algorithm == "":
		algorithm = "hmac-sha256"
	case algorithm == "none":
		algorithm = "token" // of the operator's own choice
	case strings.HasPrefix(algorithm, "jwt"), strings.HasPrefix(algorithm, "jws"):
		algorithm = "jws"
	}
	some("algorithm", algorithm, func(s *providerv1.Scheme) bool { return s.GetAlgorithm() == algorithm })
	places := r.Signature
	if !strings.HasSuffix(r.TS, " unsigned") {
		places += " " + r.TS
	}
	for _, name := range headerName.FindAllStringSubmatch(places, -1) {
		some("header", name[1], func(s *providerv1.Scheme) bool { return hasHeader(s, name[1]) })
	}
	some("prefix", r.Prefix, r.hasPrefix)
	if slices.Contains([]string{"hmac-sha256", "hmac-sha1", "hmac-sha512", "ed25519", "ecdsa-p256-sha256", "rsa-sha256", "rsa-sha512"}, algorithm) {
		encoding, content := "hex", "{body}"
		if r.Encoding != "" {
			encoding, _, _ = strings.Cut(r.Encoding, " ")
		}
		if r.Content != "" {
			content = strings.ToLower(r.Content)
		}
		some("encoding", encoding, func(s *providerv1.Scheme) bool {
			return s.GetEncoding() == encoding || s.GetEncoding() == "hex-or-base64" && states(spec, "encoding")
		})
		some("content", content, func(s *providerv1.Scheme) bool { return strings.ToLower(s.GetContent()) == content })
	}
	if r.TS != "" && !strings.HasSuffix(r.TS, " unsigned") && !states(spec, "timestamp") {
		some("unit", r.TS, func(s *providerv1.Scheme) bool {
			unit := s.GetTimestamp().GetUnit()
			return slices.ContainsFunc(strings.Fields(strings.ReplaceAll(r.TS, " or ", "-or-")), func(word string) bool {
				return unit != "" && (word == unit || strings.HasPrefix(word, unit+"(") || strings.HasPrefix(word, unit+"-without"))
			})
		})
	}
	if !states(spec, "tolerance") {
		some("tolerance", fmt.Sprint(r.Tolerance), func(s *providerv1.Scheme) bool {
			return s.GetTimestamp().GetTolerance().GetSeconds() == int64(r.Tolerance)
		})
	}
}

// hasHeader says whether a scheme looks at a header for signature, time or id.
func hasHeader(s *providerv1.Scheme, name string) bool {
	located := []signature.Located{}
	for _, place := range s.GetSignature() {
		if first := place.GetHeader() + "1"; place.GetCount() > 0 && strings.EqualFold(first, name) {
			return true
		}
		located = append(located, place)
	}
	for _, place := range s.GetTimestamp().GetAt() {
		located = append(located, place)
	}
	for _, place := range s.GetId() {
		located = append(located, place)
	}
	return strings.Contains(strings.ToLower(s.GetContent()), "{header:"+strings.ToLower(name)+"}") ||
		slices.ContainsFunc(located, func(l signature.Located) bool { return strings.EqualFold(l.GetHeader(), name) })
}

// hasPrefix says whether a place of a scheme has the table's prefix, or none where the table names none.
func (r row) hasPrefix(s *providerv1.Scheme) bool {
	return slices.ContainsFunc(s.GetSignature(), func(place *providerv1.SignaturePlace) bool {
		prefix := strings.TrimSpace(place.GetPrefix())
		if r.Prefix == "" {
			return prefix == "" || strings.Contains(r.Signature, prefix)
		}
		return prefix != "" && strings.Contains(r.Prefix, prefix)
	})
}
