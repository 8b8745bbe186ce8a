package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/auth"
)

var principalName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make tokens for subscribers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCommand())
	return cmd
}

func newTokenCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "new [--name NAME]",
		Short: "Make a token, and say what to write into the configuration",
		Long: "new prints a token of 256 random bits to standard output, once: it is stored nowhere. To standard error goes what the bridge's\n" +
			"configuration needs, which is its SHA-256 and no secret.",
		Example: "  hookbridge token new --name billing\n  hookbridge token new --name billing > billing.token",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("name") && !principalName.MatchString(name) {
				return usageError{fmt.Errorf("--name: want lower-case letters, digits, dots, dashes and underscores, at most 63, a letter first, got %q", name)}
			}
			token := auth.NewToken()
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), token); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), `
The token is shown this once. Under auth.principals in the bridge's configuration, with what it may read and use:

  - {name: %s, tokens: [%q], grants: {sources: [], types: [], subscriptions: []}}
`, name, auth.DigestOf(token))
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "NAME", "the principal's `NAME` in the configuration")
	return cmd
}
