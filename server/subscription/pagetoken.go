package subscription

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A page token is, in URL-safe base64 without padding:
//
//	version, 1 byte | digest of the request, 8 | sequence, a varint
//
// The sequence, or id of a dead letter, is the first to look at; when descending, the one after it. The digest is of the request without page_token and
// page_size, so that a token is not taken for another listing's.
const (
	tokenVersion  = 1
	tokenDigest   = 8
	tokenHeadSize = 1 + tokenDigest
)

// cursor is where a listing goes on, and what it lists.
type cursor struct{ head [tokenHeadSize]byte }

func newCursor(req proto.Message) (cursor, error) {
	what := proto.Clone(req)
	for _, name := range []protoreflect.Name{"page_token", "page_size"} {
		if field := what.ProtoReflect().Descriptor().Fields().ByName(name); field != nil {
			what.ProtoReflect().Clear(field)
		}
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(what)
	if err != nil {
		return cursor{}, fmt.Errorf("digest of the request: %w", err)
	}
	digest := sha256.Sum256(encoded)
	var c cursor
	c.head[0] = tokenVersion
	copy(c.head[1:], digest[:])
	return c, nil
}

func (c *cursor) token(sequence int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint(c.head[:], uint64(sequence)))
}

// parse reads a token of this listing. What it accepts is exactly what token writes.
func (c *cursor) parse(token string) (int64, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenHeadSize || raw[0] != tokenVersion {
		return 0, invalid("page_token", "is not one that was returned as next_page_token")
	}
	sequence, n := binary.Uvarint(raw[tokenHeadSize:])
	if n <= 0 || sequence < 1 || sequence > math.MaxInt64 {
		return 0, invalid("page_token", "is not one that was returned as next_page_token")
	}
	if [tokenHeadSize]byte(raw) != c.head {
		return 0, invalid("page_token", "is of a listing with other fields; repeat them for every page")
	}
	if c.token(int64(sequence)) != token {
		return 0, invalid("page_token", "is not one that was returned as next_page_token")
	}
	return int64(sequence), nil
}

// A page token of names is, in URL-safe base64 without padding: version, 1 byte | the last name of the page before.
const nameTokenVersion = 2

func nameToken(name string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{nameTokenVersion}, name...))
}

// parseNameToken returns the name in a token; empty for an empty one. What it accepts is exactly what nameToken writes.
func parseNameToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(token); err == nil && len(raw) > 1 && raw[0] == nameTokenVersion {
		if name := string(raw[1:]); validName(name) && nameToken(name) == token {
			return name, nil
		}
	}
	return "", invalid("page_token", "is not one that was returned as next_page_token")
}
