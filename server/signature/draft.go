package signature

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/hookbridge/hookbridge/server/delivery"
)

// draft is a request that is being signed: a copy into which values are put where the scheme has them.
type draft struct{ request *delivery.Request }

func newDraft(r *delivery.Request) *draft {
	own := *r
	if own.Header = r.Header.Clone(); own.Header == nil {
		own.Header = http.Header{}
	}
	if r.URL != nil {
		u := *r.URL
		own.URL = &u
	}
	return &draft{request: &own}
}

// set puts a value where a place is. ErrCannotSign where the request can't hold it.
func (d *draft) set(p Place, value string) error {
	r := d.request
	switch p.kind {
	case inHeader:
		r.Header.Set(p.name, value)
		return nil
	case inQuery:
		if r.URL == nil {
			r.URL = &url.URL{}
		}
		r.URL.RawQuery = withPair(r.URL.RawQuery, p.name, value)
		return nil
	case inForm:
		if IsJSON(r.Body) {
			return fmt.Errorf("%w: the body is JSON, and %s is in a form", ErrCannotSign, p)
		}
		r.Body = []byte(withPair(string(r.Body), p.name, value))
		return nil
	case inJSON:
		return d.setJSON(p.path, value)
	}
	return fmt.Errorf("%w: nothing can be put into %s", ErrCannotSign, p)
}

// setTime is set for a timestamp: in JSON a number stays one.
func (d *draft) setTime(p Place, stamp string, unit Unit) error {
	if p.kind != inJSON {
		return d.set(p, stamp)
	}
	was := gjson.GetBytes(d.request.Document, p.path)
	if unit.isNumber() && was.Type != gjson.String {
		return d.setRaw(p.path, stamp)
	}
	return d.setJSON(p.path, stamp)
}

func (d *draft) setJSON(path, value string) error {
	quoted := gjson.AppendJSONString(nil, value)
	return d.setRaw(path, string(quoted))
}

// setRaw puts a JSON value into the document, which has to be the body.
func (d *draft) setRaw(path, value string) error {
	r := d.request
	if !bytes.Equal(r.Document, r.Body) || !IsJSON(r.Body) || !gjson.ParseBytes(r.Body).IsObject() && !gjson.ParseBytes(r.Body).IsArray() {
		return fmt.Errorf("%w: the body is no JSON object", ErrCannotSign)
	}
	body, err := sjson.SetRawBytes(r.Body, path, []byte(value))
	if err != nil || gjson.GetBytes(body, path).Raw != value {
		return fmt.Errorf("%w: the body has no place for JSON field %s", ErrCannotSign, path)
	}
	r.Body, r.Document = body, body
	return nil
}

// WithField returns form data with one more field.
func WithField(data []byte, name, value string) []byte {
	if len(data) > 0 {
		data = append(data, '&')
	}
	return append(data, url.QueryEscape(name)+"="+url.QueryEscape(value)...)
}

// withPair returns form data in which a field has one value: where it was first, else at the end. The rest stays as it is written.
func withPair(data, name, value string) string {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	var pairs []string
	done := false
	for raw := range strings.SplitSeq(data, "&") {
		key, _, _ := strings.Cut(raw, "=")
		switch {
		case !keyIs([]byte(key), name):
			if raw != "" {
				pairs = append(pairs, raw)
			}
		case !done:
			pairs, done = append(pairs, pair), true
		}
	}
	if !done {
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "&")
}
