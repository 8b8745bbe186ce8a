package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/provider"
)

// publicSuffix is what the file with the public key is called after the one with the private key.
const publicSuffix = ".pub"

// maxKeyFile is far above every private key and keeps a wrong path from being read whole.
const maxKeyFile = 64 << 10

// keyPair is what stands in for the key that only a provider has: a private key in a file, and beside it the public one as a secret of a source.
type keyPair struct {
	path    string
	private crypto.Signer
	public  string
	made    bool
}

// openPair reads the pair, or makes it where the file isn't there. Nothing that is there is written over.
func openPair(path string, pack *provider.Pack) (*keyPair, error) {
	p := &keyPair{path: path}
	var err error
	switch p.private, err = readPrivateKey(path); {
	case errors.Is(err, fs.ErrNotExist):
		p.made = true
		if p.private, err = pack.NewPrivateKey(); err != nil {
			return nil, fmt.Errorf("%s: %w", pack.Name(), err)
		}
	case err != nil:
		return nil, err
	}
	if p.public, err = pack.PublicSecret(p.private); err != nil {
		return nil, fmt.Errorf("%s is no key for %s: %w", path, pack.Name(), err)
	}
	beside, err := os.ReadFile(path + publicSuffix)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return nil, err
	case !missing && strings.TrimSpace(string(beside)) != p.public:
		return nil, fmt.Errorf("%s is there and isn't the public key of %s as a secret of %s; name another file, or remove it", path+publicSuffix, path, pack.Name())
	}
	if p.made {
		der, err := x509.MarshalPKCS8PrivateKey(p.private)
		if err != nil {
			return nil, err
		}
		if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return nil, err
		}
	}
	if missing {
		return p, writeNew(path+publicSuffix, []byte(p.public+"\n"), 0o644)
	}
	return p, nil
}

// readPrivateKey reads the PEM blocks that openssl writes; fs.ErrNotExist where there is no file.
func readPrivateKey(path string) (crypto.Signer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, err
	}
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s: want a private key as a PEM block, PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY, without a passphrase", path)
		}
		data = rest
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			continue // openssl writes a curve's parameters before its key
		}
		if private, ok := key.(crypto.Signer); ok && err == nil {
			return private, nil
		}
		// The cause says nothing that its owner could use.
		return nil, fmt.Errorf("%s: the block %s can't be read as a private key", path, block.Type)
	}
}

// writeNew writes a file that isn't there yet.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// reference is how a configuration names the public key.
func (p *keyPair) reference() string {
	path := p.path + publicSuffix
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return "file:" + path
}

// explain says what to do with the pair.
func (p *keyPair) explain(w io.Writer, pack *provider.Pack) error {
	kept := "in"
	if p.made {
		kept = "new, in"
	}
	_, err := fmt.Fprintf(w, "private key, %s %s\npublic key, as a secret of %s:\n\n%s\n\n"+
		"A source for tests takes what is signed with it once its configuration has\n  secrets: [%q]\n"+
		"Never give it to a source that %s itself sends to: whoever has %s could sign there.\n",
		kept, p.path, pack.Name(), p.public, p.reference(), pack.Name(), p.path)
	return err
}

func keyPairCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keypair KEY FILE",
		Short: "Make a pair of keys that stands in for a provider's in tests",
		Long: "keypair makes a private key in FILE and the public one in FILE.pub, in the form of a source's secret, for providers that sign with\n" +
			"a key that only they have. With it hookbridge send --keypair FILE signs in the provider's place. Files that are there are\n" +
			"kept, and never written over.",
		Example: "  hookbridge providers keypair discord ./discord.pem",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("providers keypair wants KEY and FILE, got %s", counted(len(args), "argument", "arguments"))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			pack, err := builtinPack(args[0])
			if err != nil {
				return err
			}
			pair, err := openPair(args[1], pack)
			if err != nil {
				return err
			}
			return pair.explain(cmd.OutOrStdout(), pack)
		},
	}
}

// advice is what to look at where what a pair signed was refused; empty where that isn't why.
func (d *draft) advice(a answered) string {
	reason := a.reason()
	refused := reason == "" && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, d.source.FailureStatus()}, a.status)
	if d.pair == nil || a.status/100 == 2 || !refused && reason != "SIGNATURE_MISMATCH" {
		return ""
	}
	return fmt.Sprintf("; is %s among its secrets of source %q, and has it reloaded?", d.pair.reference(), d.source.Name())
}
