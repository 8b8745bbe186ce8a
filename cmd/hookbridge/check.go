package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/config"
	"github.com/hookbridge/hookbridge/server/provider"
)

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "check --config FILE",
		Short:   "Check a configuration and print all its problems, and warnings",
		Example: "  hookbridge check --config hookbridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("check wants --config FILE")}
			}
			cfg, err := load(file)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if _, err := fmt.Fprintf(out, "%s is fine.\n  webhooks  %s\n  gRPC      %s\n  admin     %s\n  journal   %s\n", file, cfg.HTTP.Listen, cfg.GRPC.Listen, cfg.Admin.Listen, cfg.Journal.Dir); err != nil {
				return err
			}
			for _, p := range cfg.Providers {
				if _, err := fmt.Fprintf(out, "  provider  %s\n", p.Name); err != nil {
					return err
				}
			}
			for _, s := range cfg.Sources {
				if _, err := fmt.Fprintf(out, "  source    %s: %s, %s\n", s.Name, s.Provider, provenBy(s)); err != nil {
					return err
				}
			}
			for _, p := range cfg.Principals {
				if _, err := fmt.Fprintf(out, "  principal %s: %s, %s\n", p.Name, counted(len(p.Tokens), "active token", "active tokens"), counted(len(p.Certificates), "certificate", "certificates")); err != nil {
					return err
				}
			}
			if err := describeSchemas(cmd.Context(), out, file, cfg); err != nil {
				return err
			}
			return printWarnings(cmd.ErrOrStderr(), cfg)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the configuration `FILE`")
	return cmd
}

// printWarnings says what is right as it stands, and dangerous unless the network makes up for it.
func printWarnings(errOut io.Writer, cfg *config.Config) error {
	catalogue, err := provider.Builtin()
	if err != nil {
		return err
	}
	warnings, err := cfg.Warnings(catalogue)
	for _, text := range warnings {
		if _, err := fmt.Fprintf(errOut, "hookbridge: warning: %s\n", text); err != nil {
			return err
		}
	}
	return err
}

// provenBy says what a source's deliveries are proven by.
func provenBy(s config.Source) string {
	text := counted(len(s.Secrets), "active secret", "active secrets")
	if len(s.Secrets) == 0 && !s.Captured {
		text = "keys that the provider publishes"
	}
	if s.Captured {
		text += ", and one that is captured"
	}
	if s.Scheme != "" {
		text += ", scheme " + s.Scheme
	}
	return text
}

// describeSchemas says how many event messages each image adds: 0 is what an image has that was built of the wrong folder.
func describeSchemas(ctx context.Context, out io.Writer, file string, cfg *config.Config) error {
	if len(cfg.Schemas) == 0 {
		return nil
	}
	v, err := localVocabulary(ctx, file)
	if err != nil {
		return err
	}
	for _, s := range cfg.Schemas {
		n := 0
		for _, t := range v.types {
			if t.GetOrigin() == s.Name {
				n++
			}
		}
		if _, err := fmt.Fprintf(out, "  schema    %s: %s\n", s.Name, counted(n, "event message", "event messages")); err != nil {
			return err
		}
	}
	return nil
}
