// Package schema turns the JSON of a verified delivery into its typed protobuf message.
//
// A Registry knows which message stands for which event of which provider. It learns that from the messages themselves: the
// option (hookbridge.v1.event) names provider and types, and no Go code does. The messages come in sets: Builtin has the ones
// that are compiled in, Image those of a descriptor set that was read at run time, which are decoded and validated alike.
//
//	registry, err := schema.New(schema.Config{Sets: []schema.Set{schema.Builtin()}})
//	decoded := registry.Decode("github", "pull_request.opened", document)
//
// # Guarantees
//
// Decode always returns an outcome. It doesn't fail, doesn't panic and takes time and memory proportional to the document.
//
//   - STATE_TYPED: the document fits the message of its type and satisfies its validation rules. Fields that the message doesn't
//     have, and names of enumeration values that it doesn't have, are left out.
//   - STATE_UNTYPED: no message claims the type; the data is a google.protobuf.Struct.
//   - STATE_MISMATCH: the document doesn't fit its message or breaks its rules, or is known to be another type's by what the message's option
//     says of its shape; the data is a Struct, and up to MaxViolations
//     violations say where and why.
//   - STATE_UNDECODABLE: the document is not a JSON object, or is one that no Struct can hold (a key given twice, half of a
//     surrogate pair, a number beyond the range of a double, a value within more than MaxDepth levels); there is no data, and one violation
//     says why.
//
// The text of a violation never has a value of the document in it, only kinds of JSON values, positions and what the schema
// wants; its path has the document's keys, cut to a bounded length.
//
// # What cannot be assumed
//
// A Struct's numbers are doubles: integers beyond 2^53 lose digits. A typed message can't tell a field that is null or absent
// from one that is zero, unless the field is declared optional. What the message has no field for is skipped and hardly looked
// at: a key that is given twice there or a number beyond the range of a double goes unnoticed when the rest fits. Nor
// does protojson mind an empty exponent ("1e"), which is no JSON, there and in integers; a check that does would make decoding a
// fifth slower. The order of keys is not kept. All of that is in the body's bytes, which are stored beside the data.
//
// What Decode returns depends on the registry: the same document can be untyped today and typed after a message was added.
package schema
