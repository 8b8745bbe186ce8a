package signature

import (
	"errors"
	"fmt"
)

// maxDepth is how deep a document may be nested of which some values are signed.
const maxDepth = 64

// Unambiguous checks that data is one JSON value in which no object has a member twice, in whatever case: readers differ in which one they
// take, and a signature over some of the values holds for only one reader then. The error is ErrMalformed.
func Unambiguous(data []byte) error {
	if err := unambiguous(data, maxDepth); err != nil {
		return fmt.Errorf("%w: the body %w", ErrMalformed, err)
	}
	return nil
}

func unambiguous(data []byte, depth int) error {
	s := newScanner(data)
	defer s.release()
	s.deepest, s.fold = depth, true
	switch ok := s.scan(); {
	case s.tooDeep:
		return errors.New("is nested too deeply")
	case !ok:
		return errors.New("is no JSON")
	case len(s.twice) > 0:
		return errors.New("has a member twice")
	}
	return nil
}
