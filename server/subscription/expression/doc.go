// Package expression compiles the conditions of filters, written in the Common Expression Language (https://cel.dev), and decides by
// them about stored events.
//
//	compiler, err := expression.NewCompiler(registry)
//	program, err := compiler.Compile(`event.type == "star.created" && data.repository.full_name == "acme/mugs"`, expression.Scope{})
//	verdict := program.Examine(expression.Event{Sequence: 7, Encoded: stored})
//
// # What an expression sees
//
// `event` is the envelope: a hookbridge.v1.Event without data, content and omission. `data` is the typed message of the event. Both
// are checked against their descriptors: a field that isn't there, a wrong type, a result that is no bool are errors with line and
// column.
//
// Which message `data` is depends on the event, so the expression is checked against each message that the events can have: those
// that the Scope lets in and that the expression's own conditions on event.type, event.provider and event.source (equality, `in`,
// startsWith, with literals) leave. It is accepted when it fits one of them. Where there are no such messages, `data` is dyn.
//
// # What passes
//
// An event with typed data passes when the expression fits its message and is true. For an event whose data is a
// google.protobuf.Struct, `data` is the JSON object, dyn: a key that isn't there is an error, unless asked for with has(). An event
// without data passes only where the expression, or each of its parts that are joined by &&, doesn't look at data at all. What
// can't be evaluated (a missing key, an overflow, the cost limit) is an Error, and doesn't pass.
//
// # Cost
//
// The parts that look only at `event` are evaluated first, then the data is decoded, and of it only the fields that the expression
// names. An expression has at most MaxLength characters. One that would certainly cost more than CostLimit is refused; where the
// cost can't be told beforehand, it is counted at evaluation, and the event doesn't pass when a part has used up its share. There are no
// functions beyond those of the language and the strings extension, none of which waits for anything.
//
// # What cannot be assumed
//
// A message is compiled for when the first event that has it is examined; an expression that was accepted may still fit not all
// messages. Verdicts hang on the registry: an event can pass after a message was added, and not before.
package expression
