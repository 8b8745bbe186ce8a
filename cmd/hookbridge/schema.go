package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/jhump/protoreflect/v2/protoprint"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	hookbridgev1 "github.com/hookbridge/hookbridge/gen/hookbridge/v1"
	"github.com/hookbridge/hookbridge/server/provider"
)

func schemaCommand() *cobra.Command {
	from := &schemaFlags{}
	list := listSchemaCommand(from)
	cmd := &cobra.Command{
		Use:   "schema [list | show TYPE | export]",
		Short: "Look at the messages of events, and take them along",
		Long: "schema shows the messages that stand for events, one by one, or all of them as an image that buf generates clients from.\n" +
			"They are those of this build and of the images that a configuration names, or those of a running bridge.",
		Example: "  hookbridge schema\n  hookbridge schema list --provider stripe\n  hookbridge schema show pull_request.opened\n" +
			"  hookbridge schema export -o schema.binpb --server bridge:9090",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("schema wants list, show or export, got %q", args[0])}
			}
			return nil
		},
		RunE: list.RunE,
	}
	cmd.PersistentFlags().StringVar(&from.config, "config", "", "also the images that the configuration `FILE` names")
	from.bridge.flagsIn(cmd.PersistentFlags(), "", "instead those of the bridge at this gRPC `ADDR`ess")
	cmd.AddCommand(list, showSchemaCommand(from), exportSchemaCommand(from))
	return cmd
}

func listSchemaCommand(from *schemaFlags) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the event types and their messages",
		Example: "  hookbridge schema list --provider github\n  hookbridge schema list --config hookbridge.yaml\n  hookbridge schema list --server 127.0.0.1:9090",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := from.vocabulary(cmd.Context())
			if err != nil {
				return err
			}
			return v.list(cmd.OutOrStdout(), key)
		},
	}
	cmd.Flags().StringVar(&key, "provider", "", "only those of the provider `KEY`")
	return cmd
}

func showSchemaCommand(from *schemaFlags) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "show TYPE",
		Short: "Show the message of an event type, as proto source, and a sample",
		Long: "show prints the message that stands for an event type, with its comments, and a body of that type where this build has one.\n" +
			"Instead of a type it takes the full name of any message, enum or service.",
		Example: "  hookbridge schema show pull_request.opened\n  hookbridge schema show orders/create --provider shopify\n" +
			"  hookbridge schema show hookbridge.github.v1.Repository",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("schema show wants one TYPE, got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := from.vocabulary(cmd.Context())
			if err != nil {
				return err
			}
			return v.show(cmd.OutOrStdout(), key, args[0])
		},
	}
	cmd.Flags().StringVar(&key, "provider", "", "the `KEY` of the provider, where several have the type")
	return cmd
}

func exportSchemaCommand(from *schemaFlags) *cobra.Command {
	var file, imports string
	cmd := &cobra.Command{
		Use:   "export [-o FILE | --imports DIR]",
		Short: "Write the whole schema as an image, or the sources that event messages of your own import",
		Long: "export writes an image (a google.protobuf.FileDescriptorSet with all imports) that `buf generate` takes.\n" +
			"With --imports it writes instead, as .proto files, what event messages of your own import: the event option and the validation\n" +
			"rules. With them buf builds your image without any schema registry.",
		Example: "  hookbridge schema export -o schema.binpb && buf generate schema.binpb\n  hookbridge schema export --imports third_party",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := from.vocabulary(cmd.Context())
			if err != nil {
				return err
			}
			if imports != "" {
				return v.writeImports(imports)
			}
			image, err := proto.MarshalOptions{Deterministic: true}.Marshal(v.files)
			if err != nil {
				return err
			}
			if file != "" {
				return os.WriteFile(file, image, 0o644)
			}
			if isTerminal(cmd.OutOrStdout()) {
				return usageError{errors.New("schema export wants -o FILE: an image is nothing for a terminal")}
			}
			_, err = cmd.OutOrStdout().Write(image)
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write to `FILE` instead of standard output")
	cmd.Flags().StringVar(&imports, "imports", "", "write the sources to import into the folder `DIR`")
	cmd.MarkFlagsMutuallyExclusive("output", "imports")
	return cmd
}

// list prints a table.
func (v *vocabulary) list(out io.Writer, key string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROVIDER\tTYPES\tMESSAGE\tORIGIN")
	n := 0
	for _, t := range v.types {
		if key == "" || t.GetProvider() == key {
			n++
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", visible(t.GetProvider()), visible(shorten(t.GetTypes())), t.GetMessage(), visible(t.GetOrigin()))
		}
	}
	if n == 0 {
		return fmt.Errorf("there are no event messages of the provider %q", key)
	}
	return w.Flush()
}

// shorten keeps a long list of types on the line; show has all of them.
func shorten(types []string) string {
	const most = 2
	if len(types) <= most+1 {
		return strings.Join(types, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(types[:most], " "), len(types)-most)
}

// show prints a message as source.
func (v *vocabulary) show(out io.Writer, key, name string) error {
	descriptor, event, err := v.find(key, name)
	if err != nil {
		return err
	}
	source, err := (&protoprint.Printer{}).PrintProtoToString(descriptor)
	if err != nil {
		return err
	}
	// A comment is what somebody wrote into an image: it can't change the terminal.
	lines := strings.Split(source, "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	if _, err := fmt.Fprintf(out, "// %s\n\n%s", visible(descriptor.ParentFile().Path()), strings.Join(lines, "\n")); err != nil || event == nil {
		return err
	}
	return showSample(out, event, name)
}

// showSample prints a body of the type that was asked for, else one of another type of the same message.
func showSample(out io.Writer, event *hookbridgev1.EventType, name string) error {
	catalogue, err := provider.Builtin()
	if err != nil {
		return err
	}
	var found *provider.Sample
	for _, s := range catalogue.Samples(event.GetProvider()) {
		if s.Type == name || found == nil && claims(event.GetTypes(), s.Type) > 0 {
			found = &s
		}
		if s.Type == name {
			break
		}
	}
	if found == nil {
		return nil
	}
	_, err = fmt.Fprintf(out, "\n// A sample, of the type %s:\n\n%s\n", found.Type, strings.TrimSpace(string(found.Body)))
	return err
}

// writeImports writes the files that event messages import, but for those that every compiler has.
func (v *vocabulary) writeImports(dir string) error {
	written := map[string]bool{}
	var write func(path string) error
	write = func(path string) error {
		if written[path] || strings.HasPrefix(path, "google/protobuf/") {
			return nil
		}
		written[path] = true
		file, err := v.linked.FindFileByPath(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i := range file.Imports().Len() {
			if err := write(file.Imports().Get(i).Path()); err != nil {
				return err
			}
		}
		source, err := (&protoprint.Printer{}).PrintProtoToString(file)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(source), 0o644)
	}
	return errors.Join(write("hookbridge/v1/options.proto"), write("buf/validate/validate.proto"))
}
