package publickey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// Format is how keys are written.
type Format string

// The formats of hookbridge.provider.v1.KeySource, and what code methods fetch.
const (
	JWKS      Format = "jwks"
	PEM       Format = "pem"
	PEMBase64 Format = "pem-base64"
	// Nested is a JSON object whose member "key" is a JSON Web Key. One with an expired_at is none that can be used.
	Nested Format = "nested-jwk"
)

// maxKeys bounds the keys of one document.
const maxKeys = 100

// Parse reads all keys of a document that can be used; where there are none, the error is ErrUnfit.
func Parse(format Format, data []byte) ([]Key, error) {
	switch format {
	case JWKS:
		return parseSet(data)
	case Nested:
		var outer struct {
			Key json.RawMessage `json:"key"`
		}
		if err := json.Unmarshal(data, &outer); err != nil {
			return nil, fmt.Errorf("%w: want a JSON object with a key", ErrUnfit)
		}
		var life struct {
			Expired json.RawMessage `json:"expired_at"`
		}
		if err := json.Unmarshal(outer.Key, &life); err != nil || (len(life.Expired) > 0 && string(life.Expired) != "null") {
			return nil, fmt.Errorf("%w: the key has expired", ErrUnfit)
		}
		return parseSet(outer.Key)
	case PEM:
		return parsePEM(data)
	case PEMBase64:
		decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data)))
		if err != nil {
			return nil, fmt.Errorf("%w: want a PEM block in base64", ErrUnfit)
		}
		return parsePEM(decoded)
	}
	return nil, fmt.Errorf("unknown format of keys %q", format)
}

// ParseText reads keys that an operator pasted: a PEM block, a JSON Web Key or a set of them.
func ParseText(text string) ([]Key, error) {
	data := bytes.TrimSpace([]byte(text))
	if bytes.HasPrefix(data, []byte("{")) {
		return parseSet(data)
	}
	return parsePEM(data)
}

// parseSet reads a JSON Web Key Set, or a single key.
func parseSet(data []byte) ([]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%w: want a JSON Web Key Set", ErrUnfit)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{data}
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: the set has more than %d keys", ErrUnfit, maxKeys)
	}
	var keys []Key
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err != nil || !k.IsPublic() || !k.Valid() {
			continue
		}
		if (k.Use != "" && k.Use != "sig") || check(k.Key) != nil {
			continue
		}
		keys = append(keys, Key{ID: k.KeyID, Algorithm: k.Algorithm, Public: k.Key})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: the set has no public key for signatures", ErrUnfit)
	}
	return keys, nil
}

// parsePEM reads public keys, or a certificate with its chain behind it.
func parsePEM(data []byte) ([]Key, error) {
	var keys []Key
	var chain []*x509.Certificate
	for blocks := 0; blocks < maxKeys; blocks++ {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		switch block.Type {
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%w: a certificate can't be read", ErrUnfit)
			}
			chain = append(chain, certificate)
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			public, err := parsePublic(block)
			if err != nil {
				return nil, err
			}
			keys = append(keys, Key{Public: public})
		}
	}
	if len(chain) > 0 {
		if err := check(chain[0].PublicKey); err != nil {
			return nil, err
		}
		keys = append(keys, Key{Public: chain[0].PublicKey, Certificate: chain[0], Chain: chain[1:]})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: want a PEM block PUBLIC KEY or CERTIFICATE", ErrUnfit)
	}
	return keys, nil
}

func parsePublic(block *pem.Block) (crypto.PublicKey, error) {
	var public crypto.PublicKey
	var err error
	if block.Type == "RSA PUBLIC KEY" {
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else {
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the block can't be read", ErrUnfit)
	}
	return public, check(public)
}
