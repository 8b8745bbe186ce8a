package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/signature"
)

const (
	// maxFields bounds the fields of a form that become a document, maxFormParts the parts of a multipart body.
	maxFields    = 1000
	maxFormParts = 100
)

// body is a kind of body that is taken.
type body struct {
	mediaType string
	// format is that of hookbridge.provider.v1.Body; "json" where it is empty there.
	format string
	field  string
	// optional says that a body may have no document by design.
	optional bool
}

func newBodies(specs []*providerv1.Body) []body {
	var list []body
	for _, spec := range specs {
		b := body{mediaType: spec.GetMediaType(), format: spec.GetFormat(), field: spec.GetField(), optional: spec.GetDocumentOptional()}
		if b.format == "" {
			b.format = "json"
		}
		list = append(list, b)
	}
	return list
}

// bodyNamed finds the kind of body that the Content-Type headers of a request name, which is one kind.
func (p *Pack) bodyNamed(contentTypes []string) (body, error) {
	if len(contentTypes) == 0 {
		return p.bodyOf("")
	}
	if slices.ContainsFunc(contentTypes[1:], func(other string) bool { return other != contentTypes[0] }) {
		return body{}, fmt.Errorf("%w: Content-Type is there more than once, with different values, want %s", ErrMediaType, p.mediaTypes())
	}
	return p.bodyOf(contentTypes[0])
}

// bodyOf finds the kind of body that a Content-Type names.
func (p *Pack) bodyOf(contentType string) (body, error) {
	if contentType == "" {
		return p.bodies[0], nil
	}
	for _, b := range p.bodies {
		if b.mediaType == contentType { // as most say it
			return b, nil
		}
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err == nil || errors.Is(err, mime.ErrInvalidMediaParameter) {
		for _, b := range p.bodies {
			if b.mediaType == mediaType {
				return b, nil
			}
		}
	}
	return body{}, fmt.Errorf("%w: want Content-Type %s", ErrMediaType, p.mediaTypes())
}

// mediaTypes says, for people, which are taken.
func (p *Pack) mediaTypes() string {
	var list []string
	for _, b := range p.bodies {
		list = append(list, b.mediaType)
	}
	return strings.Join(list, " or ")
}

// Document returns the JSON that a body of this content type carries; nil where it carries none. ErrMediaType.
func (p *Pack) Document(contentType string, body []byte) ([]byte, error) {
	kind, err := p.bodyOf(contentType)
	if err != nil {
		return nil, err
	}
	return kind.document(contentType, body), nil
}

// document is the JSON that a body carries; nil where it carries none, and where it can be read in more than one way.
func (b body) document(contentType string, raw []byte) []byte {
	if len(raw) == 0 {
		return nil
	}
	switch b.format {
	case "json":
		return raw
	case "form":
		if b.field == "" {
			return nil
		}
		value, n := signature.FormValue(raw, b.field)
		if n > 1 {
			return nil
		}
		return value
	case "fields":
		return fieldsDocument(raw)
	case "multipart":
		document, _ := multipartDocument(contentType, raw, b.field)
		return document
	case "jwt":
		payload, ok := signature.Payload(bytes.TrimSpace(raw))
		if !ok {
			return nil
		}
		return payload
	}
	return nil
}

// lacks reports whether a body has no document, and the pack says that this is as it should be. A document that is there and can't be
// read is something else.
func (b body) lacks(contentType string, raw []byte) bool {
	switch {
	case b.format == "opaque", b.format == "form" && b.field == "", b.format == "multipart" && b.field == "":
		return true
	case !b.optional:
		return false
	case len(raw) == 0:
		return true
	case b.format == "form":
		_, n := signature.FormValue(raw, b.field)
		return n == 0
	case b.format == "multipart":
		_, absent := multipartDocument(contentType, raw, b.field)
		return absent
	}
	return false
}

// fieldsDocument writes the fields of a form as an object of texts. A field that is there more than once is left out, since readers differ in
// which of its values they take.
func fieldsDocument(raw []byte) []byte {
	if bytes.Count(raw, []byte("&")) >= maxFields {
		return nil
	}
	count := map[string]int{}
	for name := range signature.FormFields(raw) {
		count[name]++
	}
	document := []byte{'{'}
	for name, value := range signature.FormFields(raw) {
		if count[name] > 1 {
			continue
		}
		if len(document) > 1 {
			document = append(document, ',')
		}
		document = gjson.AppendJSONString(document, name)
		document = append(document, ':')
		document = gjson.AppendJSONString(document, value)
	}
	return append(document, '}')
}

// multipartDocument returns the one part of a field. A body with an error anywhere, or with the field twice, has no document: another
// reader could see another one. absent says that the body is right and doesn't have the field.
func multipartDocument(contentType string, raw []byte, field string) (document []byte, absent bool) {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || field == "" {
		return nil, false
	}
	reader := multipart.NewReader(bytes.NewReader(raw), parameters["boundary"])
	found := false
	for n := range maxFormParts {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return document, n > 0 && !found
		}
		if err != nil {
			return nil, false
		}
		if part.FormName() != field {
			continue
		}
		encoding := part.Header.Get("Content-Transfer-Encoding")
		if found || encoding != "" && encoding != "binary" && encoding != "8bit" && encoding != "7bit" {
			return nil, false
		}
		found = true
		if document, err = io.ReadAll(part); err != nil {
			return nil, false
		}
	}
	return nil, false
}

// wrap makes a body of a document, as a sender does, and says of which content type it is.
func (b body) wrap(document []byte) (raw []byte, contentType string, err error) {
	switch {
	case b.format == "json":
		return document, b.mediaType, nil
	case b.format == "form" && b.field != "":
		return signature.WithField(nil, b.field, string(document)), b.mediaType, nil
	case b.format == "fields":
		var fields map[string]any
		if err := json.Unmarshal(document, &fields); err != nil {
			return nil, "", fmt.Errorf("%w: the body has to be a JSON object, whose members become the fields of a form", ErrCannotSign)
		}
		gjson.ParseBytes(document).ForEach(func(key, value gjson.Result) bool {
			raw = signature.WithField(raw, key.String(), value.String())
			return true
		})
		return raw, b.mediaType, nil
	case b.format == "multipart" && b.field != "":
		var out bytes.Buffer
		w := multipart.NewWriter(&out)
		err := errors.Join(w.WriteField(b.field, string(document)), w.Close())
		return out.Bytes(), w.FormDataContentType(), err
	}
	// As it is: what an opaque body looks like is up to the caller.
	return document, b.mediaType, nil
}

// reading reads the document of a request when it is first asked for.
type reading struct {
	kind    body
	request *delivery.Request
	done    bool
	// carried is what stands where the body's JSON is to be, whatever it is; readable is what of it values are read from, see
	// signature.Readable.
	carried, readable []byte
}

// read reads the document, which is Request.Document from then on, where it is JSON.
func (r *reading) read() {
	if r.done {
		return
	}
	r.done = true
	r.carried = r.kind.document(r.request.Header.Get("Content-Type"), r.request.Body)
	if r.readable = signature.Readable(r.carried); r.readable != nil {
		r.request.Document = r.carried
	}
}

// document returns what values are read from.
func (r *reading) document() []byte {
	r.read()
	return r.readable
}

// lacking reports whether there is no document, by design.
func (r *reading) lacking() bool {
	return r.document() == nil && r.kind.lacks(r.request.Header.Get("Content-Type"), r.request.Body)
}
