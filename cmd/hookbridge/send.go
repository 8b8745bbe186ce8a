package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/delivery"
	"github.com/hookbridge/hookbridge/server/provider"
)

// sendTimeout is how long an answer may take.
const sendTimeout = 30 * time.Second

func sendCommand() *cobra.Command {
	var file, configFile, target, id, ca, pair string
	var sets []string
	var how salvo
	cmd := &cobra.Command{
		Use:   "send SOURCE [TYPE]",
		Short: "Sign an event like its provider would, and post it",
		Long: "send signs a body with the source's first secret, like its provider would, and posts it to the bridge.\n" +
			"Where the provider signs the URL, too, it is http.public_url of the configuration with the source's path, wherever it is posted to: --url says\n" +
			"only that. For a bridge elsewhere the configuration has to name the same public_url as that bridge's own.\n" +
			"Where the secret only verifies, because the provider alone has the private key, --keypair signs with one of yours.\n" +
			"Without --file the body is a sample of the type. Without --config the source is the one of serve --demo.\n" +
			"With --tamper it succeeds if the bridge refuses what was damaged, with --duplicate if the bridge knows the second copy.",
		Example: "  hookbridge send demo payment_succeeded\n  hookbridge send --config hookbridge.yaml github pull_request.opened\n  hookbridge send demo --file body.json\n" +
			"  hookbridge send --config hookbridge.yaml stripe invoice.paid --set data.object.amount_paid=4200\n  hookbridge send demo --count 1000 --rate 200\n  hookbridge send demo --tamper signature\n" +
			"  hookbridge send --config hookbridge.yaml discord --keypair ./discord.pem",
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
			d.renewed = file == "" || how.count > 1
			if err := how.check(); err != nil {
				return err
			}
			if err := d.pairWith(cmd.ErrOrStderr(), pair); err != nil {
				return err
			}
			if d.body, err = set(d.body, sets); err != nil {
				return err
			}
			d.renewed = d.renewed && !setsID(sets, d.source.Pack())
			if d.authorities, err = authorities(ca); err != nil {
				return err
			}
			if err := d.address(target, cfg.HTTP.PublicURL); err != nil {
				return err
			}
			return how.send(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), d, id)
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
	cmd.Flags().StringVar(&pair, "keypair", "", "sign with the private key in `FILE`, which is made where it isn't there; FILE.pub is the source's secret")
	cmd.Flags().StringVar(&how.tamper, "tamper", "", "damage the delivery: its `PART` body, signature or timestamp")
	cmd.Flags().StringVar(&id, "id", "", "the delivery's `ID` (default: a new one, but that of the body in --file)")
	return cmd
}

// draft is a delivery that is not sent yet.
type draft struct {
	source *provider.Source
	// forged is the source with another secret, for a wrong signature.
	forged func() (*provider.Source, error)
	// pair signs in the provider's place; nil where the source's secret does.
	pair *keyPair
	typ  string
	body []byte
	// renewed says that each delivery has an id of its own, also where the provider has it in the body.
	renewed bool
	// to is where it is posted to, called the URL that the bridge takes it for, which is what is signed.
	to, called *url.URL
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
		d.forged = d.source.Forged
	}
	if d.source == nil {
		return nil, fmt.Errorf("no source %q in the configuration, which has %s", args[0], strings.Join(names, ", "))
	}
	return d, d.fill(catalogue, file)
}

// pairWith has the draft signed with the pair in a file, and says what to do where the configuration's source doesn't know it.
func (d *draft) pairWith(w io.Writer, file string) error {
	if file == "" {
		return nil
	}
	pack := d.source.Pack()
	pair, err := openPair(file, pack)
	if err != nil {
		return err
	}
	own, secret, err := d.source.WithPair(pair.private)
	if err != nil {
		return err
	}
	known := d.source.HasSecret(secret)
	d.pair, d.source = pair, own
	d.forged = func() (*provider.Source, error) {
		other, err := pack.NewPrivateKey()
		if err != nil {
			return nil, err
		}
		forged, _, err := own.WithPair(other)
		return forged, err
	}
	if known {
		return nil
	}
	return pair.explain(w, pack)
}

// address finds out where the draft is posted to, and the URL that the bridge takes it for: that of the listener where no other is configured.
func (d *draft) address(target string, public *url.URL) error {
	path := "/webhooks/" + d.source.Name()
	var err error
	if d.to, err = url.Parse(strings.TrimSuffix(target, "/") + path); err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	d.called = d.to
	if public != nil {
		d.called = delivery.Called(public, path, d.to.RawQuery)
	}
	return nil
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
		if len(types) == 0 {
			return fmt.Errorf("%s has no sample; give a body with --file", d.source.Pack().Name())
		}
		return fmt.Errorf("no sample of type %q; there are samples of %s, or give --file", d.typ, strings.Join(types, ", "))
	}
	d.typ, d.body = sample.Type, sample.Body
	return nil
}

// bodyOf is the body of a delivery with an id: what the bridge knows as a duplicate has the same one.
func (d *draft) bodyOf(id string) []byte {
	if !d.renewed {
		return d.body
	}
	return d.source.Pack().Renew(d.body, id)
}

// setsID says that the caller has chosen the id, or one of a list.
func setsID(sets []string, pack *provider.Pack) bool {
	return slices.ContainsFunc(sets, func(s string) bool {
		at, _, _ := strings.Cut(s, "=")
		return pack.HasID(at)
	})
}
