package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/provider"
)

func providersCommand() *cobra.Command {
	var like string
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the providers, what their signature covers and how each description was proven",
		Example: "  hookbridge providers list\n  hookbridge providers list --like pay",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			catalogue, err := provider.Builtin()
			if err != nil {
				return err
			}
			return listProviders(cmd.OutOrStdout(), catalogue, like)
		},
	}
	cmd := &cobra.Command{
		Use:   "providers [list | show KEY | keypair KEY FILE]",
		Short: "See which providers there are, what each needs, and where to paste what",
		Long: "providers lists the providers that this build knows; show says what one of them needs, where to paste what in its settings,\n" +
			"what its signature covers, how it retries, and what nobody has confirmed. It asks no bridge.",
		Example: "  hookbridge providers\n  hookbridge providers show stripe",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("providers wants list, show or keypair, got %q", args[0])}
			}
			return nil
		},
		RunE: list.RunE,
	}
	cmd.PersistentFlags().StringVar(&like, "like", "", "only those with this `TEXT` in their key or name")
	cmd.AddCommand(list, keyPairCommand(), &cobra.Command{
		Use:     "show KEY",
		Short:   "Show what a provider needs, and where to paste what",
		Example: "  hookbridge providers show github",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("providers show wants one KEY, got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			pack, err := builtinPack(args[0])
			if err != nil {
				return err
			}
			return showProvider(cmd.OutOrStdout(), pack)
		},
	})
	return cmd
}

func listProviders(w io.Writer, catalogue *provider.Catalogue, like string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "KEY\tNAME\tSIGNATURE COVERS\tPROVEN BY"); err != nil {
		return err
	}
	proofs, shown := map[string]int{}, 0
	for _, key := range catalogue.Keys() {
		pack, _ := catalogue.Get(key)
		name := pack.Spec().GetName()
		if !strings.Contains(strings.ToLower(key+" "+name), strings.ToLower(like)) {
			continue
		}
		covered := cmp.Or(strings.Join(pack.Covered(), ", "), "nothing")
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", key, name, covered, pack.Proof()); err != nil {
			return err
		}
		proofs[pack.Proof()]++
		shown++
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var counts []string
	for _, proof := range provider.Proofs() {
		if proofs[proof] > 0 {
			counts = append(counts, fmt.Sprintf("%d by %s", proofs[proof], proof))
		}
	}
	_, err := fmt.Fprintf(w, "\n%s: %s\n", counted(shown, "provider", "providers"), cmp.Or(strings.Join(counts, ", "), "none like this"))
	return err
}

// builtinPack finds a provider of the catalogue.
func builtinPack(key string) (*provider.Pack, error) {
	catalogue, err := provider.Builtin()
	if err != nil {
		return nil, err
	}
	pack, ok := catalogue.Get(key)
	if !ok {
		return nil, noProvider(catalogue, key)
	}
	return pack, nil
}

// noProvider says which key was perhaps meant.
func noProvider(catalogue *provider.Catalogue, key string) error {
	var near []string
	for _, k := range catalogue.Keys() {
		pack, _ := catalogue.Get(k)
		if strings.Contains(k, key) || strings.Contains(strings.ToLower(pack.Spec().GetName()), strings.ToLower(key)) {
			near = append(near, k)
		}
	}
	slices.Sort(near)
	if len(near) == 0 {
		return fmt.Errorf("no provider %q; hookbridge providers lists them", key)
	}
	return fmt.Errorf("no provider %q; did you mean %s?", key, strings.Join(near, ", "))
}

// storedHeaders is what of a delivery's headers is kept, and posted again by forward and replay.
func storedHeaders(names []string) provider.Trait {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.EqualFold(name, "Content-Type") || strings.EqualFold(name, "Traceparent")
	})
	return provider.Trait{Name: "Headers stored", Text: strings.Join(append([]string{"Content-Type"}, names...), ", ") + "; Traceparent where it has its valid form."}
}
