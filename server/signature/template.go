package signature

import (
	"fmt"
	"strings"
)

// Segment is a part of a template: either a text, or what stands in braces, split at the first colon.
type Segment struct {
	Text       string
	Name, Args string
}

// ParseTemplate splits a template like "v0:{ts}:{body}" into its segments. Doubled braces stand for one. What the names mean is
// up to the caller.
func ParseTemplate(template string) ([]Segment, error) {
	var segments []Segment
	var text strings.Builder
	for i := 0; i < len(template); i++ {
		c := template[i]
		switch {
		case c != '{' && c != '}':
			text.WriteByte(c)
		case strings.HasPrefix(template[i+1:], string(c)):
			text.WriteByte(c)
			i++
		case c == '}':
			return nil, fmt.Errorf("template %q: } at %d closes nothing", template, i)
		default:
			inner, _, closed := strings.Cut(template[i+1:], "}")
			if !closed {
				return nil, fmt.Errorf("template %q: { at %d is not closed", template, i)
			}
			if text.Len() > 0 {
				segments = append(segments, Segment{Text: text.String()})
				text.Reset()
			}
			name, args, _ := strings.Cut(inner, ":")
			if name == "" {
				return nil, fmt.Errorf("template %q: {} at %d names nothing", template, i)
			}
			segments = append(segments, Segment{Name: name, Args: args})
			i += len(inner) + 1
		}
	}
	if text.Len() > 0 {
		segments = append(segments, Segment{Text: text.String()})
	}
	return segments, nil
}
