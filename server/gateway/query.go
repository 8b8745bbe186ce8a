package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/document"
	"github.com/hookbridge/hookbridge/server/fault"
	"github.com/hookbridge/hookbridge/server/requestid"
)

// mostViolations bounds an answer.
const mostViolations = 10

// queries says of every route what its query may hold. The runtime ignores what it doesn't know, so that a list under a mistyped filter would be
// the whole list. It has a hook for the reading of queries, but that is one for the whole process, and routes without any parameter never call it.
type queries map[string]*query

// query is what the query of one route may hold.
type query struct {
	// request is the type of the call's request.
	request protoreflect.MessageType
	// fields are the parameters, by the names that the proto and its JSON have for them.
	fields map[string]parameter
	// names are those of the proto, which are suggested.
	names []string
	// bound is what the path says, by both names.
	bound map[string]bool
	// body tells whether everything else is in the body.
	body bool
}

// parameter is one that a query may hold.
type parameter struct {
	name  string
	field protoreflect.FieldDescriptor
}

// apiFiles are those that declare the services with routes on the admin port.
func apiFiles() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		hookbridgev1.File_hookbridge_v1_event_service_proto,
		hookbridgev1.File_hookbridge_v1_subscription_service_proto,
		hookbridgev1.File_hookbridge_v1_schema_service_proto,
		hookbridgev1.File_hookbridge_v1_source_service_proto,
	}
}

// newQueries reads the annotations of the services.
func newQueries(files []protoreflect.FileDescriptor) (queries, error) {
	all := queries{}
	for _, file := range files {
		for n := range file.Services().Len() {
			methods := file.Services().Get(n).Methods()
			for m := range methods.Len() {
				rule, ok := proto.GetExtension(methods.Get(m).Options(), annotations.E_Http).(*annotations.HttpRule)
				if !ok || rule == nil {
					continue
				}
				for _, one := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
					method, path := verbOf(one)
					q, err := newQuery(methods.Get(m).Input(), path, one.GetBody() != "")
					if err != nil {
						return nil, fmt.Errorf("%s %s: %w", method, path, err)
					}
					all[method+" "+path] = q
				}
			}
		}
	}
	return all, nil
}

func verbOf(rule *annotations.HttpRule) (method, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	default:
		return "", ""
	}
}

func newQuery(request protoreflect.MessageDescriptor, path string, body bool) (*query, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(request.FullName())
	if err != nil {
		return nil, err
	}
	q := &query{request: found, fields: map[string]parameter{}, bound: map[string]bool{}, body: body}
	inPath := map[string]bool{}
	for _, part := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			inPath[strings.TrimSuffix(name, "}")] = true
		}
	}
	q.add(request, "", "", inPath)
	slices.Sort(q.names)
	return q, nil
}

// add adds the fields of a message below a prefix.
func (q *query) add(m protoreflect.MessageDescriptor, prefix, jsonPrefix string, inPath map[string]bool) {
	for n := range m.Fields().Len() {
		f := m.Fields().Get(n)
		name, jsonName := prefix+string(f.Name()), jsonPrefix+f.JSONName()
		nested := f.Message() != nil && !f.IsList() && !f.IsMap() && f.Message().ParentFile().Package() != "google.protobuf"
		switch {
		case inPath[name]:
			q.bound[name], q.bound[jsonName] = true, true
		case f.IsMap() || settled(f, prefix, inPath):
			// It can't be in the query.
		case nested:
			q.add(f.Message(), name+".", jsonName+".", inPath)
		case q.body:
		default:
			q.fields[name], q.fields[jsonName] = parameter{name, f}, parameter{name, f}
			q.names = append(q.names, name)
		}
	}
}

// settled tells whether the path has chosen another field of a oneof.
func settled(f protoreflect.FieldDescriptor, prefix string, inPath map[string]bool) bool {
	oneof := f.ContainingOneof()
	if oneof == nil {
		return false
	}
	for n := range oneof.Fields().Len() {
		other := oneof.Fields().Get(n)
		for bound := range inPath {
			if other != f && strings.HasPrefix(bound+".", prefix+string(other.Name())+".") {
				return true
			}
		}
	}
	return false
}

// check is a middleware of the mux.
func (qs queries) check(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if err := qs.refuse(r); err != nil {
			fault.WriteHTTP(w, err, requestid.From(r.Context()), 0)
			return
		}
		next(w, r, path)
	}
}

// refuse says what of a query isn't understood.
func (qs queries) refuse(r *http.Request) error {
	pattern, _ := runtime.HTTPPattern(r.Context())
	q, ok := qs[r.Method+" "+strings.ReplaceAll(pattern.String(), "=*}", "}")]
	if !ok {
		return fmt.Errorf("the route %s %s is not one of the annotations", r.Method, pattern)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Detail(fault.ErrInvalidArgument, "the query can't be read: %s", err)
	}
	var violations []fault.Violation
	given := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if problem := q.problem(key, values[key], given); problem != "" && len(violations) < mostViolations {
			violations = append(violations, fault.Violation{Field: clip(key), Message: problem})
		}
	}
	if len(violations) == 0 {
		return nil
	}
	return fault.Invalid(fault.ErrInvalidArgument, violations[0].String(), violations...)
}

// problem says what is wrong with a parameter; nothing if it is fine. given are those that were fine, and how they were written.
func (q *query) problem(key string, values []string, given map[string]string) string {
	if q.bound[key] {
		return "is in the path and can't be in the query too"
	}
	p, ok := q.fields[key]
	switch {
	case !ok && q.body:
		return "there is no such query parameter; this call takes its fields in the body"
	case !ok:
		return "there is no such query parameter" + document.DidYouMean(key, q.names)
	case given[p.name] != "":
		return fmt.Sprintf("is given as %q too", given[p.name])
	case !p.field.IsList() && len(values) > 1:
		return fmt.Sprintf("is given %d times, want it once", len(values))
	}
	given[p.name] = key
	for _, value := range values {
		if !utf8.ValidString(value) {
			return "want UTF-8, got " + document.Quote(value)
		}
		into := q.request.New().Interface()
		if err := new(runtime.DefaultQueryParser).Parse(into, url.Values{p.name: {value}}, utilities.NewDoubleArray(nil)); err != nil {
			return "want " + wanted(p.field) + ", got " + document.Quote(value)
		}
	}
	return ""
}

// wanted says what a parameter's value has to be.
func wanted(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return "a whole number"
	case protoreflect.MessageKind:
		if f.Message().FullName() == "google.protobuf.Timestamp" {
			return "a time like 2006-01-02T15:04:05Z"
		}
	}
	return "a value of the type " + f.Kind().String()
}

// clip shortens a name that a caller made up, and makes it text.
func clip(name string) string {
	const most = 80
	switch {
	case name == "":
		return `""`
	case len(name) > most:
		name = name[:most] + "..."
	}
	return strings.ToValidUTF8(name, "\ufffd")
}
