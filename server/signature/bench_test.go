package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

// BenchmarkVerify compares the engine with verifiers written by hand for one provider, over a body of 1 KiB.
func BenchmarkVerify(b *testing.B) {
	const secret = "a secret of a usual length, 32 b"
	body := bytes.Repeat([]byte("0123456789abcdef"), 64)
	at := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name   string
		spec   *providerv1.Scheme
		byHand func(r *delivery.Request, secret []byte) error
	}{
		{"prefixed", prefixedScheme(), verifyPrefixedByHand},
		{"listed", listedScheme(), verifyListedByHand},
	} {
		scheme, err := signature.Compile(c.spec)
		if err != nil {
			b.Fatal(err)
		}
		key, err := scheme.Key(secret)
		if err != nil {
			b.Fatal(err)
		}
		r, err := scheme.Sign(&delivery.Request{Method: http.MethodPost, Body: body, ReceivedAt: at}, key, "", at)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name+"/engine", func(b *testing.B) {
			b.ReportAllocs()
			keys := []*signature.Key{key}
			for b.Loop() {
				if _, err := scheme.Verify(r, keys, 5*time.Minute); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/by-hand", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.byHand(r, []byte(secret)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var errByHand = errors.New("refused")

func verifyPrefixedByHand(r *delivery.Request, secret []byte) error {
	text, ok := strings.CutPrefix(r.Header.Get("X-Signature-256"), "sha256=")
	if !ok {
		return errByHand
	}
	got, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(r.Body)
	if !hmac.Equal(got, mac.Sum(nil)) {
		return errByHand
	}
	return nil
}

func verifyListedByHand(r *delivery.Request, secret []byte) error {
	var stamp string
	var signatures [][]byte
	for item := range strings.SplitSeq(r.Header.Get("Signature-List"), ",") {
		key, value, ok := strings.Cut(item, "=")
		switch {
		case !ok:
			return errByHand
		case key == "t":
			stamp = value
		case key == "v1":
			if sig, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, sig)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp))
	mac.Write([]byte("."))
	mac.Write(r.Body)
	want := mac.Sum(nil)
	for _, got := range signatures {
		if hmac.Equal(got, want) {
			if age := r.ReceivedAt.Sub(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
				return errByHand
			}
			return nil
		}
	}
	return errByHand
}
