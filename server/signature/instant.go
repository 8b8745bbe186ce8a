package signature

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Unit is how a point in time is written.
type Unit uint8

// The units of hookbridge.provider.v1.Timestamp.
const (
	seconds Unit = iota + 1
	milliseconds
	rfc3339
	iso8601
	httpDate
	secondsOrMilliseconds
)

// The century from 2000 on, in seconds since 1970: as milliseconds these numbers are in January and February 1970.
const (
	centuryBegins = 946684800
	centuryEnds   = 4102444800
)

// withoutZone is RFC 3339 as some write it who mean UTC.
const withoutZone = "2006-01-02T15:04:05"

// ParseUnit returns the unit of a name.
func ParseUnit(name string) (Unit, error) {
	switch name {
	case "s":
		return seconds, nil
	case "ms":
		return milliseconds, nil
	case "rfc3339":
		return rfc3339, nil
	case "iso8601":
		return iso8601, nil
	case "http-date":
		return httpDate, nil
	case "s-or-ms":
		return secondsOrMilliseconds, nil
	}
	return 0, fmt.Errorf("unknown unit of time %q", name)
}

// isNumber reports whether the notation is a decimal number.
func (u Unit) isNumber() bool { return u == seconds || u == milliseconds || u == secondsOrMilliseconds }

// Parse reads a point in time; ok is false where the text is none, or one outside the years 1 to 9999.
func (u Unit) Parse(text string) (t time.Time, ok bool) {
	var err error
	switch u {
	case seconds, milliseconds:
		var n int64
		if n, err = decimal(text); err == nil {
			if t = time.Unix(n, 0); u == milliseconds {
				t = time.UnixMilli(n)
			}
		}
	case secondsOrMilliseconds:
		if t, err = thisCentury(text); err != nil {
			return time.Time{}, false
		}
	case rfc3339:
		t, err = time.Parse(time.RFC3339, text)
	case iso8601:
		if t, err = time.Parse(withoutZone, text); err != nil {
			t, err = time.Parse(time.RFC3339, text)
		}
	case httpDate:
		t, err = http.ParseTime(text)
	default:
		return time.Time{}, false
	}
	t = t.UTC()
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}

// thisCentury reads seconds or milliseconds, whichever is between 2000 and 2100.
func thisCentury(text string) (time.Time, error) {
	n, err := decimal(text)
	switch {
	case err != nil:
		return time.Time{}, err
	case n >= centuryBegins && n < centuryEnds:
		return time.Unix(n, 0), nil
	case n >= centuryBegins*1000 && n < centuryEnds*1000:
		return time.UnixMilli(n), nil
	}
	return time.Time{}, strconv.ErrRange
}

// decimal reads digits and nothing else: no sign, no space, no underscore.
func decimal(text string) (int64, error) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	return strconv.ParseInt(text, 10, 64)
}

// Format writes a point in time.
func (u Unit) Format(t time.Time) string {
	switch {
	case u == milliseconds || u == secondsOrMilliseconds && t.UnixMilli()%1000 != 0:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case u == rfc3339:
		return t.UTC().Format(time.RFC3339Nano)
	case u == iso8601:
		return t.UTC().Format("2006-01-02T15:04:05.999999999")
	case u == httpDate:
		return t.UTC().Format(http.TimeFormat)
	}
	return strconv.FormatInt(t.Unix(), 10)
}
