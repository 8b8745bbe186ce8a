package rejection

import (
	"net/url"
	"slices"
	"strings"
)

const (
	maxFields = 1000
	hexUpper  = "0123456789ABCDEF"
	hexLower  = "0123456789abcdef"
)

// asForm yields a form as other writers write it. It returns false when yield did.
func asForm(body []byte, yield func(string, []byte) bool) bool {
	if strings.Count(string(body), "&") >= maxFields {
		return true
	}
	type field struct{ name, value string }
	var fields []field
	for pair := range strings.SplitSeq(strings.TrimSpace(string(body)), "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if err != nil || valueErr != nil {
			return true
		}
		fields = append(fields, field{name, value})
	}
	for _, sorted := range []bool{false, true} {
		order := ""
		if sorted {
			order = " and with its fields sorted"
			slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
		}
		for _, space := range []struct{ how, as string }{{"spaces as +", "+"}, {"spaces as %20", "%20"}} {
			// What stands for itself besides letters and digits: in the HTML standard, in RFC 3986, to PHP, to encodeURIComponent.
			for _, safe := range []struct{ how, set string }{
				{"", "*-._"}, {" and ~ as it is", "-._~"}, {" and * escaped", "-._"}, {" and !'()*~ as they are", "-_.!~*'()"},
			} {
				for _, digits := range []struct{ how, set string }{{"", hexUpper}, {" and escapes in small letters", hexLower}} {
					var out []byte
					for i, f := range fields {
						if i > 0 {
							out = append(out, '&')
						}
						out = appendField(out, f.name, space.as, safe.set, digits.set)
						out = append(out, '=')
						out = appendField(out, f.value, space.as, safe.set, digits.set)
					}
					if !yield("when the form is written with "+space.how+safe.how+digits.how+order, out) {
						return false
					}
				}
			}
		}
	}
	return true
}

func appendField(out []byte, text, space, safe, digits string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ':
			out = append(out, space...)
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(safe, c) >= 0:
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return out
}
