package provider

// traceParent is the header with which whoever sends or passes a delivery on says which trace it is part of. It is stored whatever the pack
// says, so that subscribers can go on with the trace, but only in its exact form: no text of the sender's is let through by it.
// https://www.w3.org/TR/trace-context/#traceparent-header
const traceParent = "Traceparent"

// isTraceParent says whether a value is a traceparent of version 00: 55 characters, lower-case hex, and neither id all zeros. Of later
// versions it isn't known what they hold.
func isTraceParent(value string) bool {
	const form = "00-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff"
	if len(value) != len(form) {
		return false
	}
	trace, parent := false, false
	for n := range len(form) {
		c := value[n]
		switch form[n] {
		case 't', 'p', 'f':
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
			trace = trace || form[n] == 't' && c != '0'
			parent = parent || form[n] == 'p' && c != '0'
		default:
			if c != form[n] {
				return false
			}
		}
	}
	return trace && parent
}
