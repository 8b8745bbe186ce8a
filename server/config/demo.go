package config

import "path/filepath"

const (
	defaultHTTP  = "127.0.0.1:8080"
	defaultGRPC  = "127.0.0.1:9090"
	defaultAdmin = "127.0.0.1:8081"
)

// DemoSource and DemoSecret are the source of Demo and its secret, which is no secret at all.
const (
	DemoSource = "demo"
	DemoSecret = "my_shared_secret"
)

// Demo returns a configuration for trying the bridge out: one source named demo with the provider hmac, and defaults for the
// rest: the usual ports on loopback and a journal in ./data of the working directory.
func Demo() (*Config, error) {
	file, err := filepath.Abs("demo.yaml")
	if err != nil {
		return nil, err
	}
	config, err := parse([]byte("sources: [{name: "+DemoSource+", provider: hmac, secrets: [env:DEMO]}]"), "", file, Options{
		LookupEnv: func(string) (string, bool) { return DemoSecret, true },
	})
	if err != nil {
		return nil, err
	}
	config.File = ""
	config.Sources[0].Secrets = []Secret{NewSecret(DemoSecret)}
	return config, nil
}
