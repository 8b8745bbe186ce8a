package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// TokenSource returns the token to send with a call. It is asked for each one, so that a token can be replaced while the client runs. An
// error fails the call with Unavailable; Subscribe tries again.
type TokenSource func(ctx context.Context) (string, error)

// WithToken authenticates with a token of `hookbridge token new`. Over plain text it is sent only to this machine; see
// WithTokenInPlaintext.
func WithToken(token string) DialOption {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource is WithToken for a token that may change.
func WithTokenSource(source TokenSource) DialOption {
	return func(d *dial) { d.token, d.noSource = source, source == nil }
}

// WithTokenInPlaintext sends the token also to another machine without TLS, where whoever can listen in has it afterwards. It needs
// WithoutTLS, too.
func WithTokenInPlaintext() DialOption { return func(d *dial) { d.plaintextToken = true } }

// maxTokenFile bounds what is read of a file that may be another than was meant.
const maxTokenFile = 4 << 10

// TokenFile reads the token from a file, anew for each call: a token that is replaced there is used at once. One newline at the end is
// not part of it.
func TokenFile(path string) TokenSource {
	return func(context.Context) (string, error) {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		content, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
		if err != nil {
			return "", err
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
	}
}

// bearer sends the token.
type bearer struct {
	source TokenSource
	secure bool
}

var _ credentials.PerRPCCredentials = bearer{}

// errToken doesn't say what it got.
var errToken = errors.New("the token is empty or has characters that no token has")

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.token(ctx)
	if err == nil && (token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })) {
		err = errToken
	}
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "no token to authenticate with: %v", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// token asks the source. A panic is an error, which doesn't say what it was about: that may be the token.
func (b bearer) token(ctx context.Context) (token string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the token source panicked with a %T", p)
		}
	}()
	return b.source(ctx)
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: gRPC sends nothing where this says so and there is no TLS.
func (b bearer) RequireTransportSecurity() bool { return b.secure }
