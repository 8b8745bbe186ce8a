package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"

	"github.com/hookbridge/hookbridge/client"
)

// tokenVariable is the environment variable that has the token where no --token-file is given.
const tokenVariable = "HOOKBRIDGE_TOKEN"

// connection is how a command reaches a bridge's gRPC listener.
type connection struct {
	server                   string
	tls, plaintext, inPlain  bool
	ca, cert, key, tokenFile string
	lookup                   func(string) (string, bool)
}

// flags makes the flags of a command that needs a bridge.
func (c *connection) flags(cmd *cobra.Command) {
	c.flagsIn(cmd.Flags(), "127.0.0.1:9090", "the bridge's gRPC `ADDR`ess")
}

// flagsIn makes the same flags in a set, with another default of --server.
func (c *connection) flagsIn(flags *pflag.FlagSet, server, usage string) {
	c.lookup = os.LookupEnv
	flags.StringVar(&c.server, "server", server, usage)
	flags.StringVar(&c.tokenFile, "token-file", "", "authenticate with the token in `FILE` (default: in "+tokenVariable+")")
	flags.BoolVar(&c.tls, "tls", false, "connect with TLS, as with any of the other --tls flags")
	flags.StringVar(&c.ca, "tls-ca", "", "believe the authorities in `FILE`, PEM (default: those of the system)")
	flags.StringVar(&c.cert, "tls-cert", "", "authenticate with the client certificate in `FILE`, PEM; wants --tls-key")
	flags.StringVar(&c.key, "tls-key", "", "the private key of --tls-cert, a `FILE` in PEM")
	flags.BoolVar(&c.plaintext, "plaintext", false, "connect without TLS to a bridge on another machine")
	flags.BoolVar(&c.inPlain, "plaintext-token", false, "send the token without TLS to another machine, where anybody on the way can read it")
}

// dial prepares the connection. What is wrong with the flags is a usageError.
func (c *connection) dial() (*client.Client, error) {
	var options []client.DialOption
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	if config != nil {
		options = append(options, client.WithTLS(config))
	}
	if c.plaintext {
		options = append(options, client.WithoutTLS())
	}
	if c.inPlain {
		options = append(options, client.WithTokenInPlaintext())
	}
	if c.tokenFile != "" {
		// Said at once, rather than with every try to connect.
		if _, err := os.Stat(c.tokenFile); err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		options = append(options, client.WithTokenSource(client.TokenFile(c.tokenFile)))
	} else if token, ok := c.lookup(tokenVariable); ok && token != "" {
		options = append(options, client.WithToken(token))
	}
	made, err := client.Dial(c.server, options...)
	if err != nil {
		return nil, usageError{fmt.Errorf("--server: %w (here: --tls, or --plaintext, with a token also --plaintext-token)", err)}
	}
	return made, nil
}

// words is what an error of a call says, with what may help where one side wants TLS and the other one doesn't.
func (c *connection) words(err error) string {
	text := status.Convert(err).Message()
	switch {
	case !c.encrypted() && strings.Contains(text, "error reading server preface"):
		return text + "; if that is a bridge with TLS, say --tls"
	case c.encrypted() && strings.Contains(text, "first record does not look like a TLS handshake"):
		return text + "; the bridge has no TLS there: leave out the --tls flags"
	}
	return text
}

// encrypted says whether the flags ask for TLS.
func (c *connection) encrypted() bool { return c.tls || c.ca != "" || c.cert != "" || c.key != "" }

// config is nil for plain text.
func (c *connection) config() (*tls.Config, error) {
	if !c.encrypted() {
		return nil, nil
	}
	if (c.cert == "") != (c.key == "") {
		return nil, usageError{errors.New("want both --tls-cert and --tls-key, or neither")}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if config.RootCAs, err = authorities(c.ca); err != nil {
		return nil, err
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// authorities reads a file of certificates; nil, which means those of the system, for none.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--tls-ca: %s has no certificate in PEM", file)
	}
	return pool, nil
}

// scheme is how a listener's URLs begin.
func scheme(encrypted bool) string {
	if encrypted {
		return "https"
	}
	return "http"
}
