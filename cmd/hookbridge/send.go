package main

import (
	"crypto/x509"
	"fmt"
	"io"
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
	var sets []string
	var how salvo
	cmd := &cobra.Command{
		Use:   "send SOURCE [TYPE]",
		Short: "Sign an event like its provider would, and post it",
		Long: "send signs a body with the source's first secret, like its provider would, and posts it to the bridge.\n" +
			"Without --file the body is a sample of the type. Without --config the source is the one of serve --demo.\n" +
			"With --tamper it succeeds if the bridge refuses what was damaged, with --duplicate if the bridge knows the second copy.",
		Example: "  hookbridge send demo payment_succeeded\n  hookbridge send --config hookbridge.yaml github pull_request.opened\n  hookbridge send demo --file body.json\n" +
			"  hookbridge send --config hookbridge.yaml stripe invoice.paid --set data.object.amount_paid=4200\n  hookbridge send demo --count 1000 --rate 200\n  hookbridge send demo --tamper signature",
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
			if err := how.check(); err != nil {
				return err
			}
			if d.body, err = set(d.body, sets); err != nil {
				return err
			}
			if d.authorities, err = authorities(ca); err != nil {
				return err
			}
			u, err := url.Parse(strings.TrimSuffix(target, "/") + "/webhooks/" + d.source.Name())
			if err != nil {
				return usageError{fmt.Errorf("--url: %w", err)}
			}
			return how.send(cmd.Context(), cmd.OutOrStdout(), d, u, id)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "send the body in `FILE` (- for standard input)")
	cmd.Flags().StringVar(&configFile, "config", "", "the configuration `FILE` that has the source and its secret")
	cmd.Flags().StringVar(&target, "url", "", "the `URL` of the bridge's webhook listener (default: where the configuration says)")
	cmd.Flags().StringVar(&ca, "tls-ca", "", "believe the authorities in `FILE`, PEM (default: those of the system)")
	cmd.Flags().StringArrayVar(&sets, "set", nil, "put a value into the body, `PATH=VALUE`, like data.object.amount=4200 (repeatable)")
	cmd.Flags().IntVar(&how.count, "count", 1, "how many deliveries to send, each with an id of its own")
	cmd.Flags().Float64Var(&how.rate, "rate", 0, "at most so many a second (default: one after the other)")
	cmd.Flags().BoolVar(&how.duplicate, "duplicate", false, "send each delivery twice, as a provider does that got no answer")
	cmd.Flags().StringVar(&how.tamper, "tamper", "", "damage the delivery: its `PART` body, signature or timestamp")
	cmd.Flags().StringVar(&id, "id", "", "the delivery's `ID`, where the provider sends one in a header (default: a new one)")
	return cmd
}

// draft is a delivery that is not sent yet.
type draft struct {
	source *provider.Source
	// forged is the source with another secret, for a wrong signature.
	forged func() (*provider.Source, error)
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
		d.forged = func() (*provider.Source, error) { return d.source.Forged() }
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
