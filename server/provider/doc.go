// Package provider has the providers, as data, and makes sources of them.
//
// A provider is a file, packs/<key>.yaml: a hookbridge.provider.v1.Pack. It says how deliveries are signed and where their id, type,
// time and ordering key are. No Go code names a provider, apart from the few
// of package signature/method.
//
//	catalogue, err := provider.Builtin()
//	catalogue, err = catalogue.With("acme.yaml", pack)            // an operator's own, from Parse
//	source, err := provider.NewSource(provider.SourceConfig{Name: "github", Pack: pack, Secrets: secrets})
//	outcome, err := source.Receive(ctx, request)
//
// Guarantees:
//
//   - Receive verifies the signature over the raw bytes before it looks into the body at all, except where the signature, or what is
//     signed, is inside of it, and for handshakes that a provider doesn't sign, which yield an answer and never an event.
//   - A source uses only the schemes that it has a secret for, so no delivery can choose a weaker one.
//   - Every Verified has an id of at most 255 bytes without control characters, and a type.
//   - What is stored of the headers is the pack's allow-list; a pack whose list has a credential doesn't load.
//   - What differs from source to source is a setting. Plain ones become part of the source's own copy of the description; secret ones
//     never do, and are kept as digests.
//   - What names a setting that a source doesn't have counts as absent; no text of a delivery is taken for it.
//
// What can't be assumed: that the id or the type were covered by the signature. Verified.Auth says.
package provider
