package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

// sendTimeout is how long an answer may take.
const sendTimeout = 30 * time.Second

func sendCommand() *cobra.Command {
	var file, configFile, target, id, ca string
	cmd := &cobra.Command{
		Use:   "send SOURCE [TYPE]",
		Short: "Sign an event like its provider would, and post it",
		Long: "send signs a body with the source's first secret, like its provider would, and posts it to the bridge.\n" +
			"Without --file the body is a sample of the type. Without --config the source is the one of serve --demo.",
		Example: "  hookbridge send demo payment_succeeded\n  hookbridge send --config hookbridge.yaml github pull_request.opened\n  hookbridge send demo --file body.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("send wants SOURCE [TYPE], got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(configFile)
			if err != nil {
				return err
			}
			if target == "" {
				target = scheme(cfg.HTTP.TLS != nil) + "://" + cfg.HTTP.Listen
			}
			d, err := newDraft(cfg, args, file)
			if err != nil {
				return err
			}
			if id == "" {
				id = strings.ToLower(rand.Text())
			}
			if d.authorities, err = authorities(ca); err != nil {
				return err
			}
			return d.post(cmd.Context(), cmd.OutOrStdout(), target, id)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "send the body in `FILE` (- for standard input)")
	cmd.Flags().StringVar(&configFile, "config", "", "the configuration `FILE` that has the source and its secret")
	cmd.Flags().StringVar(&target, "url", "", "the `URL` of the bridge's webhook listener (default: where the configuration says)")
	cmd.Flags().StringVar(&ca, "tls-ca", "", "believe the authorities in `FILE`, PEM (default: those of the system)")
	cmd.Flags().StringVar(&id, "id", "", "the delivery's `ID`, where the provider sends one in a header (default: a new one)")
	return cmd
}

// draft is a delivery that is not sent yet.
type draft struct {
	source *provider.Source
	typ    string
	body   []byte
	// authorities are nil for those of the system.
	authorities *x509.CertPool
}

func newDraft(cfg *config.Config, args []string, file string) (*draft, error) {
	d := &draft{}
	if len(args) > 1 {
		d.typ = args[1]
	}
	builtin, err := provider.Builtin()
	if err != nil {
		return nil, err
	}
	catalogue, err := cfg.Extend(builtin)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range cfg.Sources {
		names = append(names, s.Name)
		if s.Name != args[0] {
			continue
		}
		if d.source, err = cfg.Open(s, catalogue); err != nil {
			return nil, err
		}
	}
	if d.source == nil {
		return nil, fmt.Errorf("no source %q in the configuration, which has %s", args[0], strings.Join(names, ", "))
	}
	return d, d.fill(catalogue, file)
}

// fill gets the body.
func (d *draft) fill(catalogue *provider.Catalogue, file string) (err error) {
	switch file {
	case "-":
		d.body, err = io.ReadAll(os.Stdin)
		return err
	case "":
	default:
		d.body, err = os.ReadFile(file)
		return err
	}
	sample, ok := catalogue.Sample(d.source.Provider(), d.typ)
	if !ok {
		var types []string
		for _, s := range catalogue.Samples(d.source.Provider()) {
			types = append(types, s.Type)
		}
		return fmt.Errorf("no sample of type %q; there are samples of %s, or give --file", d.typ, strings.Join(types, ", "))
	}
	d.typ, d.body = sample.Type, sample.Body
	return nil
}

// post sends the delivery and prints the answer. An answer other than 2xx is a failure.
func (d *draft) post(ctx context.Context, out io.Writer, target, id string) error {
	u, err := url.Parse(strings.TrimSuffix(target, "/") + "/webhooks/" + d.source.Name())
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	signed, err := d.source.Deliver(u, d.body, d.typ, id, time.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, signed.URL.String(), bytes.NewReader(signed.Body))
	if err != nil {
		return err
	}
	req.Header = signed.Header
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.authorities}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("no answer from %s (is the bridge running?): %w", target, err)
	}
	defer func() { _ = resp.Body.Close() }()
	const mostShown = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(resp.Body, mostShown))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%d %s\n", resp.StatusCode, bytes.TrimSpace(answer)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return errors.New("the bridge refused it")
	}
	return nil
}
