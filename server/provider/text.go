package provider

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/signature"
)

// text is one of the texts of a pack.
type text struct {
	// path is where it is, for example "schemes[0].signature[0].header".
	path  string
	field protoreflect.FieldDescriptor
	value string
}

// fixed are the fields of a pack in which no setting counts: what it is called, and what is for people.
func fixed() []protoreflect.Name {
	return []protoreflect.Name{
		"key", "name", "docs_url", "guide", "evidence", "unverified", "unverified_facts", "confirmed", "proof", "id_stable", "settings", "public_secrets",
	}
}

// eachText replaces each text in which a setting may stand. It ends with the first error.
func eachText(spec *providerv1.Pack, replace func(text) (string, error)) error {
	m := spec.ProtoReflect()
	fields := m.Descriptor().Fields()
	for n := range fields.Len() {
		field := fields.Get(n)
		if m.Has(field) && !slices.Contains(fixed(), field.Name()) {
			if err := eachTextOf(m, field, string(field.Name()), replace); err != nil {
				return err
			}
		}
	}
	return nil
}

func eachTextOf(m protoreflect.Message, field protoreflect.FieldDescriptor, path string, replace func(text) (string, error)) error {
	if field.IsMap() || field.Message() == nil && field.Kind() != protoreflect.StringKind {
		return nil
	}
	one := func(v protoreflect.Value, path string, set func(protoreflect.Value)) error {
		if field.Message() != nil {
			inner := v.Message()
			fields := inner.Descriptor().Fields()
			for n := range fields.Len() {
				if f := fields.Get(n); inner.Has(f) {
					if err := eachTextOf(inner, f, path+"."+string(f.Name()), replace); err != nil {
						return err
					}
				}
			}
			return nil
		}
		next, err := replace(text{path, field, v.String()})
		if err == nil && next != v.String() {
			set(protoreflect.ValueOfString(next))
		}
		return err
	}
	if !field.IsList() {
		return one(m.Get(field), path, func(v protoreflect.Value) { m.Set(field, v) })
	}
	list := m.Mutable(field).List()
	for n := range list.Len() {
		if err := one(list.Get(n), fmt.Sprintf("%s[%d]", path, n), func(v protoreflect.Value) { list.Set(n, v) }); err != nil {
			return err
		}
	}
	return nil
}

// name is "Message.field".
func (t text) name() string {
	return string(t.field.Parent().Name()) + "." + string(t.field.Name())
}

// mayBeAbsent says whether something counts as absent where the text has a setting that the source doesn't have.
func (t text) mayBeAbsent() bool {
	if o := t.field.ContainingOneof(); o != nil && o.Name() == "place" {
		return true
	}
	return slices.Contains([]string{"Condition.equals", "Scheme.content", "ContentPart.text", "SignaturePlace.prefix", "Claim.equals"}, t.name())
}

// isAnswer says whether the text is a template of what the provider is answered.
func (t text) isAnswer() bool {
	return slices.Contains([]string{"Response.body", "ResponseHeader.value", "Computed.content"}, t.name())
}

// mayBeSecret says whether a secret setting may stand in the text. The conditions of a scheme prove nothing, so none stands there.
func (t text) mayBeSecret() bool {
	if t.name() == "Computed.content" {
		return true
	}
	_, whole := signature.SettingNamed(t.value)
	return whole && t.name() == "Condition.equals" && !strings.HasPrefix(t.path, "schemes[") && !strings.HasPrefix(t.path, "untaken[")
}

// isPattern says whether the text is a regular expression.
func (t text) isPattern() bool {
	return t.name() == "Condition.matches" || t.name() == "Part.key_matching"
}
