package method

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// adyen checks standard webhooks of Adyen: each item of the body has its own HMAC, over some of the item's values.
// https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures/
//
// All items must be right, under one and the same secret.
type adyen struct{}

const maxAdyenItems = 1000

var (
	// adyenSigned are the paths in an item, in the order in which they are signed.
	adyenSigned = []string{
		"pspReference", "originalReference", "merchantAccountCode", "merchantReference", "amount.value", "amount.currency", "eventCode", "success",
	}
	// adyenItem is what stands before them: in a delivery, or in one of its items.
	adyenItem = regexp.MustCompile(`^(notificationItems\.[0-9]+\.)?NotificationRequestItem\.`)
)

func newAdyen(spec *providerv1.Scheme) (signature.Method, error) {
	_, err := parameters(spec)
	return adyen{}, err
}

// Traits implements signature.Method.
func (adyen) Traits() signature.Traits { return signature.Traits{} }

// Covers implements signature.Method.
func (adyen) Covers(p signature.Place) bool {
	path := p.Path() + p.ElementPath()
	rest := adyenItem.ReplaceAllString(path, "")
	return rest != path && slices.Contains(adyenSigned, rest)
}

// Verify implements signature.Method.
func (adyen) Verify(_ context.Context, c signature.Check) (signature.Match, error) {
	const where = "JSON field additionalData.hmacSignature of each item"
	list := gjson.GetBytes(c.Request.Body, "notificationItems")
	if !list.IsArray() {
		return signature.Match{}, fmt.Errorf("%w: want %s in notificationItems", signature.ErrMissing, where)
	}
	if err := signature.Unambiguous(c.Request.Body); err != nil {
		return signature.Match{}, err
	}
	items := list.Array()
	switch {
	case len(items) == 0:
		return signature.Match{}, fmt.Errorf("%w: there is no item", signature.ErrMissing)
	case len(items) > maxAdyenItems:
		return signature.Match{}, fmt.Errorf("%w: there are more than %d items", signature.ErrMalformed, maxAdyenItems)
	}
	contents, signed := make([]string, len(items)), make([][]byte, len(items))
	for n, outer := range items {
		item := outer.Get("NotificationRequestItem")
		text := item.Get("additionalData.hmacSignature").Str
		if text == "" {
			return signature.Match{}, fmt.Errorf("%w: item %d has none; want %s", signature.ErrMissing, n, where)
		}
		var err error
		if signed[n], err = base64.StdEncoding.Strict().DecodeString(text); err != nil || len(signed[n]) != sha256.Size {
			return signature.Match{}, fmt.Errorf("%w: want %s in base64", signature.ErrMalformed, where)
		}
		if contents[n], err = adyenContent(n, item); err != nil {
			return signature.Match{}, err
		}
	}
	err := fmt.Errorf("%w: not all items match under one of the secrets (%d)", signature.ErrMismatch, len(c.Keys))
	most := 0
	for k, key := range c.Keys {
		right, wrong := adyenMatches(key.Secret(), contents, signed)
		if right == len(items) {
			return signature.Match{Key: k}, nil
		}
		if right > most {
			most = right
			err = signature.NewSomeRight(fmt.Errorf("%w: not all items match under one of the secrets (%d)", signature.ErrMismatch, len(c.Keys)), k, right, len(items), wrong)
		}
	}
	return signature.Match{}, err
}

// SignBody implements signature.BodySigner: each item gets its signature, in the place of one that is there.
func (adyen) SignBody(r *delivery.Request, key *signature.Key) ([]byte, error) {
	items := gjson.GetBytes(r.Body, "notificationItems").Array()
	if !gjson.GetBytes(r.Body, "notificationItems").IsArray() || len(items) == 0 || len(items) > maxAdyenItems {
		return nil, fmt.Errorf("%w: want 1 to %d items in the JSON field notificationItems", signature.ErrCannotSign, maxAdyenItems)
	}
	if err := signature.Unambiguous(r.Body); err != nil {
		return nil, fmt.Errorf("%w: %w", signature.ErrCannotSign, err)
	}
	body := r.Body
	for n, outer := range items {
		item := outer.Get("NotificationRequestItem")
		if more := item.Get("additionalData"); !item.IsObject() || more.Exists() && !more.IsObject() {
			return nil, fmt.Errorf("%w: item %d: want an object in NotificationRequestItem, and one or nothing in its additionalData", signature.ErrCannotSign, n)
		}
		content, err := adyenContent(n, item)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", signature.ErrCannotSign, err)
		}
		mac := hmac.New(sha256.New, key.Secret())
		mac.Write([]byte(content))
		path := fmt.Sprintf("notificationItems.%d.NotificationRequestItem.additionalData.hmacSignature", n)
		if body, err = sjson.SetBytes(body, path, base64.StdEncoding.EncodeToString(mac.Sum(nil))); err != nil {
			return nil, fmt.Errorf("%w: item %d: %w", signature.ErrCannotSign, n, err)
		}
	}
	return body, nil
}

// adyenContent is what is signed of an item, the nth. What is absent is empty. The values are joined as they are, so that a signed item could be cut into
// other values; it can't where only the merchant's own reference may have a colon. ErrMalformed.
func adyenContent(n int, item gjson.Result) (string, error) {
	var values []string
	for _, path := range adyenSigned {
		value := item.Get(path).String()
		if path != "merchantReference" && strings.Contains(value, ":") {
			return "", fmt.Errorf("%w: item %d: want no colon in %s", signature.ErrMalformed, n, path)
		}
		values = append(values, value)
	}
	return strings.Join(values, ":"), nil
}

// adyenMatches returns how many items a secret signed, and where the first of the others are.
func adyenMatches(secret []byte, contents []string, signed [][]byte) (right int, wrong []string) {
	const few = 3
	mac := hmac.New(sha256.New, secret)
	for n, content := range contents {
		mac.Reset()
		mac.Write([]byte(content))
		switch {
		case hmac.Equal(mac.Sum(nil), signed[n]):
			right++
		case len(wrong) < few:
			wrong = append(wrong, fmt.Sprintf("notificationItems.%d", n))
		}
	}
	return right, wrong
}
