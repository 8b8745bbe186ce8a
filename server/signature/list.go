package signature

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	providerv1 "github.com/hookbridge/hookbridge/gen/hookbridge/provider/v1"
)

const (
	// maxItems bounds the items of one request's signature values, maxSignatures those that are signatures, maxStamps the
	// different timestamps under which the content has to be hashed. A rotation needs two. Where headers are numbered there may be one
	// signature for each number.
	maxItems      = 32
	maxSignatures = 10
	maxStamps     = 4
)

var (
	errTooMany  = errors.New("holds more signatures than anybody sends")
	errTwoTimes = errors.New("holds two timestamps")
)

// list is the grammar of a value with several signatures.
type list struct {
	separator, assign, group string
	take                     []string
	skip                     int
	// stamp is the key of the item with the timestamp, or its position in a list without keys; "" and -1 where there is none.
	stamp         string
	stampPosition int
}

func newList(spec *providerv1.List, stamp string) (*list, error) {
	l := &list{
		separator:     spec.GetSeparator(),
		assign:        spec.GetAssign(),
		group:         spec.GetGroup(),
		take:          spec.GetTake(),
		skip:          int(spec.GetSkip()),
		stamp:         stamp,
		stampPosition: -1,
	}
	switch {
	case len(l.separator) != 1 || len(l.assign) > 1 || len(l.group) > 1:
		return nil, errors.New("list: separator, assign and group are one character each")
	case l.separator == l.assign || l.separator == l.group || (l.group != "" && l.group == l.assign):
		return nil, errors.New("list: separator, assign and group must differ")
	case l.assign != "" && (len(l.take) == 0 || l.skip != 0):
		return nil, errors.New("list: with assign, take says which items are signatures, and skip is not for it")
	case l.assign == "" && len(l.take) != 0:
		return nil, errors.New("list: take needs assign")
	case l.skip < 0 || l.skip > maxItems:
		return nil, errors.New("list: skip is out of range")
	case slices.Contains(l.take, stamp):
		return nil, fmt.Errorf("list: item %q can't be signature and timestamp", stamp)
	}
	if stamp != "" && l.assign == "" {
		var err error
		if l.stampPosition, err = strconv.Atoi(stamp); err != nil || l.stampPosition < 0 || l.stampPosition >= l.skip {
			return nil, fmt.Errorf("list: timestamp item %q is not the position of a skipped item", stamp)
		}
	}
	return l, nil
}

// split reads one value into v: its signatures, each with the timestamp of its group.
func (l *list) split(s *Scheme, place Place, value string, v *verification) error {
	for more := true; more; {
		group := value
		if more = l.group != ""; more {
			group, value, more = strings.Cut(value, l.group)
		}
		if err := l.splitGroup(s, place, group, v); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) splitGroup(s *Scheme, place Place, group string, v *verification) error {
	first, stamp := len(v.candidates), ""
	for position, more := 0, true; more; {
		var item string
		item, group, more = strings.Cut(group, l.separator)
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if v.items++; v.items > maxItems {
			return errTooMany
		}
		isStamp, isSignature := position == l.stampPosition, position >= l.skip
		position++
		if l.assign != "" {
			key, rest, ok := strings.Cut(item, l.assign)
			if !ok {
				continue
			}
			key, item = strings.TrimSpace(key), strings.TrimSpace(rest)
			isStamp, isSignature = l.stamp != "" && key == l.stamp, slices.Contains(l.take, key)
		}
		switch {
		case isStamp && stamp != "":
			return errTwoTimes
		case isStamp:
			stamp = item
		case isSignature:
			if err := v.add(s, place, item); err != nil {
				return err
			}
		}
	}
	for i := first; i < len(v.candidates); i++ {
		v.candidates[i].stamp = stamp
	}
	return nil
}

// join writes one signature as a value, with a timestamp where the list holds one.
func (l *list) join(signature, stamp string) (string, error) {
	var items []string
	if l.assign != "" {
		if stamp != "" {
			items = append(items, l.stamp+l.assign+stamp)
		}
		return strings.Join(append(items, l.take[0]+l.assign+signature), l.separator), nil
	}
	for position := range l.skip {
		if position != l.stampPosition {
			return "", fmt.Errorf("%w: nobody says what item %d of the list is", ErrCannotSign, position)
		}
		items = append(items, stamp)
	}
	return strings.Join(append(items, signature), l.separator), nil
}

// String shows a value with one signature.
func (l *list) String() string {
	if l.assign != "" {
		text := l.take[0] + l.assign + "<signature>"
		if l.stamp != "" {
			text = l.stamp + l.assign + "<time>" + l.separator + text
		}
		return text
	}
	return strings.Repeat("<text>"+l.separator, l.skip) + "<signature>"
}
