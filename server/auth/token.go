package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// A token is "hbt_" and 256 random bits in URL-safe base64 without padding. The prefix is there for people and for scanners of
// leaked secrets.
const (
	tokenPrefix = "hbt_"
	tokenBytes  = 32
)

var tokenEncoding = base64.RawURLEncoding.Strict()

// NewToken draws a token.
func NewToken() string {
	var random [tokenBytes]byte
	// It never fails: where the system has no random numbers, the process ends.
	_, _ = rand.Read(random[:])
	return tokenPrefix + tokenEncoding.EncodeToString(random[:])
}

// Digest is what is known of a token: the SHA-256 of its text, prefix included. It is no secret.
type Digest [sha256.Size]byte

// DigestOf returns a token's digest.
func DigestOf(token string) Digest { return sha256.Sum256([]byte(token)) }

// String returns the digest as the configuration has it.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// parseAuthorization reads the value of an authorization header. What it takes is "Bearer" in any case, one space, and what NewToken
// could have made; false for anything else.
func parseAuthorization(value string) (Digest, bool) {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return Digest{}, false
	}
	random, prefixed := strings.CutPrefix(token, tokenPrefix)
	if !prefixed || len(random) != tokenEncoding.EncodedLen(tokenBytes) {
		return Digest{}, false
	}
	// The decoder ignores line breaks, so the length has to be looked at again.
	if raw, err := tokenEncoding.DecodeString(random); err != nil || len(raw) != tokenBytes {
		return Digest{}, false
	}
	return DigestOf(token), true
}
