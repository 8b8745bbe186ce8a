package document

import (
	"errors"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// Validate applies the rules of the message's schema to what was decoded, and reports what breaks them where nothing is wrong already. The
// error it returns is a defect of the rules, not of the document.
func (d *Document) Validate(message proto.Message) error {
	err := protovalidate.Validate(message)
	if err == nil {
		return nil
	}
	violated, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return err
	}
	before := Document{Problems: d.Problems}
	for _, violation := range violated.Violations {
		path := protovalidate.FieldPathString(violation.Proto.GetField())
		if !before.At(path) {
			d.Add(path, "%s%s", violation.Proto.GetMessage(), d.ButGot(path))
		}
	}
	return nil
}
