package signature_test

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

func atHeader(name, prefix string) *providerv1.SignaturePlace {
	return &providerv1.SignaturePlace{Place: &providerv1.SignaturePlace_Header{Header: name}, Prefix: prefix}
}

func itemStamp(name string) *providerv1.TimestampPlace {
	return &providerv1.TimestampPlace{Place: &providerv1.TimestampPlace_Item{Item: name}}
}

// prefixedScheme is an HMAC of the body in hex behind a prefix.
func prefixedScheme() *providerv1.Scheme {
	return &providerv1.Scheme{
		Name: "signature", Algorithm: "hmac-sha256", Encoding: "hex", Content: "{body}",
		Signature: []*providerv1.SignaturePlace{atHeader("X-Signature-256", "sha256=")},
	}
}

// listedScheme has a timestamp and signatures in one header: t=1,v1=ab,v1=cd.
func listedScheme() *providerv1.Scheme {
	return &providerv1.Scheme{
		Name: "signature", Algorithm: "hmac-sha256", Encoding: "hex", Content: "{ts}.{body}",
		Signature: []*providerv1.SignaturePlace{atHeader("Signature-List", "")},
		List:      &providerv1.List{Separator: ",", Assign: "=", Take: []string{"v1"}},
		Timestamp: &providerv1.Timestamp{
			At: []*providerv1.TimestampPlace{itemStamp("t")}, Unit: "s", Tolerance: durationpb.New(5 * time.Minute),
		},
	}
}
