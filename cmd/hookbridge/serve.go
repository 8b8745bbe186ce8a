package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server"
	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

func serveCommand() *cobra.Command {
	var file string
	var demo bool
	cmd := &cobra.Command{
		Use:     "serve --config FILE",
		Short:   "Run a bridge",
		Example: "  hookbridge serve --config hookbridge.yaml\n  hookbridge serve --demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if demo == (file != "") {
				return usageError{errors.New("serve wants one of --config FILE and --demo")}
			}
			return serve(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), file)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the configuration `FILE`")
	cmd.Flags().BoolVar(&demo, "demo", false, "serve a source named demo, with a journal in ./data")
	return cmd
}

// load reads a configuration; of no file, the demo's.
func load(file string) (*config.Config, error) {
	if file == "" {
		return config.Demo()
	}
	catalogue, err := provider.Builtin()
	if err != nil {
		return nil, err
	}
	options := config.For(catalogue)
	options.CheckSchemas = server.CheckSchemas
	return config.Load(file, options)
}

func serve(ctx context.Context, out, errOut io.Writer, file string) error {
	cfg, err := load(file)
	if err != nil {
		return err
	}
	log := logger(errOut, cfg)
	s, err := server.New(ctx, server.Options{Config: cfg, Logger: log, Version: version()})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		log.Info("stopped before it was up", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := welcome(out, s.Addrs(), cfg, file == ""); err != nil {
		return errors.Join(err, s.Close())
	}
	defer runtime.KeepAlive(make([]byte, headroom))
	if file == "" {
		return s.Run(ctx)
	}
	r := newReloader(file, cfg, s.Reload, log)
	ctx, cancel := context.WithCancel(ctx)
	reloading := make(chan struct{})
	go func() {
		defer close(reloading)
		r.run(ctx)
	}()
	err = s.Run(ctx)
	cancel()
	<-reloading
	return err
}

// headroom is never touched, so it takes no memory; the garbage collector counts it as live and works only when that much more garbage
// has come. What lives is little (30 MB) and the stacks to be looked at are many: without it an eighth of the machine went into
// collecting under load. It adds as much to what a busy bridge takes, whatever the load.
const headroom = 32 << 20

// logger writes text to a terminal and JSON to everything else, unless the configuration says which.
func logger(w io.Writer, cfg *config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Log.Level}
	if cfg.Log.Format == "text" || cfg.Log.Format == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// welcome says where everything is, and what to paste next.
func welcome(w io.Writer, at server.Addrs, cfg *config.Config, demo bool) error {
	_, err := fmt.Fprintf(w, "Hookbridge is up.\n  webhooks  %s://%s/webhooks/{source}\n  gRPC      %s\n  admin     %s://%s  (/readyz /metrics /v1/events /schema.binpb)\n",
		scheme(cfg.HTTP.TLS != nil), at.HTTP, at.GRPC, scheme(cfg.Admin.TLS != nil), at.Admin)
	if err != nil || !demo {
		return err
	}
	_, err = fmt.Fprintf(w, `
Watch events from another terminal:

  bin/hookbridge tail

Post a signed one from a third:

  BODY='{"event":"user_created","user_id":42}'
  curl -i http://%s/webhooks/demo -H 'Content-Type: application/json' \
    -H "X-Signature: $(printf %%s "$BODY" | openssl dgst -sha256 -hmac my_shared_secret -r | cut -d' ' -f1)" -d "$BODY"

Ctrl-C stops it; what is stored stays in ./data.
`, at.HTTP)
	return err
}
