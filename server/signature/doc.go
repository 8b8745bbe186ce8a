// Package signature proves that a delivery comes from who knows the secret. It knows algorithms and notations and no provider:
// what a provider does is a hookbridge.provider.v1.Scheme, compiled once and then safe for concurrent use.
//
//	scheme, err := signature.Compile(spec)
//	key, err := scheme.Key(secret)                      // once per secret; precomputes what it can
//	match, err := scheme.Verify(request, keys, 5*time.Minute)
//	signed, err := scheme.Sign(request, key, id, now)   // the other direction
//	match, err = scheme.VerifyFetching(ctx, request, keys, tolerance, fetcher) // where the provider publishes its keys
//
// What is signed is in most cases a content, described by a template. It may instead be a JSON Web Signature, whose claims say what of the
// delivery it is for (jws.go, token.go, claim.go), or a Method: code for one provider, in package method.
//
// A request whose scheme reads JSON (ReadsDocument) brings it along as Request.Document: which part of the body it is, is not for a
// scheme to know.
//
// Guarantees:
//
//   - Verify reads the raw bytes as received and compares decoded signatures in constant time.
//   - Its error is one of ErrMissing, ErrMalformed, ErrMismatch and ErrStale, and of VerifyFetching also ErrKeyUnavailable. The text says where
//     something was expected and in which form. It never holds a secret, nor a signature that would have been right.
//   - Of a token only what one writer would have written is taken. Its header chooses among the scheme's algorithms and the keys' ids, and nothing
//     else: no key in it counts, no URL in it is followed, and a key is used with algorithms of its own kind only.
//   - A sender without the secret never hears whether its timestamp would have been accepted: ErrStale is only returned for a
//     signature that matches.
//   - The work for one request is bounded: at most 10 signatures under at most 4 different timestamps and over at most 4 forms of the
//     URL are tried per key, whatever the header holds. Where a scheme numbers its headers, there may be one signature for each
//     number (100); where every element of a list has a token, 10,000 are compared.
//   - Several keys are all active. Which of them matched is in Match.
//
// What can't be assumed: a scheme without a timestamp, or one verified without a tolerance, accepts the same request again and
// again; recognizing a repetition is the business of the event's id. A token proves nothing about the body. Covers says what a
// scheme's proof extends to: it is derived from what is signed, and where two deliveries that differ in a value could have the same
// signed bytes, the value isn't covered.
package signature
