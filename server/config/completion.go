package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	configv1 "github.com/hookbridge/hookbridge/gen/hookbridge/config/v1"
	"github.com/hookbridge/hookbridge/server/document"
	"github.com/hookbridge/hookbridge/server/provider"
)

// completion turns the message, whose shape is right, into a Config, and reports what is wrong with its values.
type completion struct {
	*document.Document
	options Options
	dir     string
	// files are those of secrets, packs, schemas and certificates, readable or not.
	files []string
	// read are the positions of the secrets that could be read, by the path of their list.
	read map[string][]int
	// catalogue has the providers of the options and those of the configuration; nil where the options have none.
	catalogue *provider.Catalogue
}

// closed are the keys that protect something. Without a value they must not count as left out.
func closed() []string { return []string{"auth", "http.tls", "grpc.tls", "admin.tls"} }

func (c *completion) config(m *configv1.Config) *Config {
	for _, path := range closed() {
		if c.IsNull(path) {
			c.Add(path, "has no value; give it one, or leave the key out to do without")
		}
	}
	config := &Config{
		HTTP: HTTP{
			Listen:         c.address("http.listen", m.GetHttp().GetListen(), defaultHTTP),
			PublicURL:      c.publicURL("http.public_url", m.GetHttp().GetPublicUrl()),
			TrustedProxies: c.networks("http.trusted_proxies", m.GetHttp().GetTrustedProxies()),
			MaxInFlight: c.size("http.max_in_flight", m.GetHttp().GetMaxInFlight(),
				sizeRange{Default: 256 << 20, Min: 1 << 20}),
			ReadTimeout: c.duration("http.read_timeout", m.GetHttp().GetReadTimeout(),
				durationRange{Default: 30 * time.Second, Min: time.Second, Max: 10 * time.Minute}),
			TLS: c.tls("http.tls", m.GetHttp().GetTls()),
		},
		GRPC:          c.listener("grpc", m.GetGrpc(), defaultGRPC),
		Admin:         c.listener("admin", m.GetAdmin(), defaultAdmin),
		Journal:       c.journal(m.GetJournal()),
		Subscriptions: c.subscriptions(m.GetSubscriptions()),
		Schemas:       c.schemas(m.GetSchemas()),
		Rejections:    c.rejections(m.GetRejections()),
		Log:           c.log(m.GetLog()),
		ShutdownTimeout: c.duration("shutdown_timeout", m.GetShutdownTimeout(),
			durationRange{Default: 20 * time.Second, Min: time.Second, Max: 10 * time.Minute}),
	}
	config.Providers = c.providers(m.GetProviders())
	config.Sources = c.sources(m.GetSources(), config)
	config.Principals = c.principals(m.GetAuth(), m.GetGrpc().GetTls().GetClientCa()+m.GetAdmin().GetTls().GetClientCa() != "")
	c.demoSecrets(config)
	c.exposed("grpc", config.GRPC, m.GetAuth() != nil)
	c.exposed("admin", config.Admin, m.GetAuth() != nil)
	c.distinctListeners(config)
	return config
}

func (c *completion) listener(path string, m interface {
	GetListen() string
	GetInsecure() bool
	GetTls() *configv1.TLS
}, fallback string,
) Listener {
	return Listener{Listen: c.address(path+".listen", m.GetListen(), fallback), Insecure: m.GetInsecure(), TLS: c.tls(path+".tls", m.GetTls())}
}

// distinctListeners refuses two listeners on one port, so that the error names them instead of "address already in use".
func (c *completion) distinctListeners(config *Config) {
	listeners := []struct{ path, address string }{
		{"http.listen", config.HTTP.Listen}, {"grpc.listen", config.GRPC.Listen}, {"admin.listen", config.Admin.Listen},
	}
	for i, later := range listeners {
		for _, earlier := range listeners[:i] {
			if overlap(earlier.address, later.address) {
				c.Add(later.path, "%q is already taken by %s", later.address, earlier.path)
				break
			}
		}
	}
}

// overlap says whether two listeners can't both have their address. Port 0 is never the same port.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return canonicalHost(hostA) == canonicalHost(hostB) || canonicalHost(hostA) == "" || canonicalHost(hostB) == ""
}

// canonicalHost gives all spellings of "every address" and of the usual loopback address one form.
func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return ""
	}
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (c *completion) address(path, value, fallback string) string {
	if value == "" || c.At(path) {
		return fallback
	}
	_, port, err := net.SplitHostPort(value)
	if number, numeric := strconv.ParseUint(port, 10, 16); err != nil || numeric != nil || strconv.FormatUint(number, 10) != port {
		c.Add(path, "want an address, host:port, like %s; got %s", fallback, c.Got(path))
		return fallback
	}
	return value
}

func (c *completion) publicURL(path, value string) *url.URL {
	if value == "" || c.At(path) {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		c.Add(path, "want a URL with scheme and host and without user, query or fragment, like https://hooks.example.com")
		return nil
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u
}

func (c *completion) networks(path string, values []string) []netip.Prefix {
	var networks []netip.Prefix
	for i, value := range values {
		prefix, err := netip.ParsePrefix(value)
		if ip, ipErr := netip.ParseAddr(value); ipErr == nil && ip.Zone() == "" {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		element := fmt.Sprintf("%s[%d]", path, i)
		if c.At(element) {
			continue
		}
		if err != nil {
			c.Add(element, "want a network or an address, like 10.0.0.0/8; got %s", c.Got(element))
			continue
		}
		networks = append(networks, prefix.Masked())
	}
	return networks
}

func (c *completion) journal(m *configv1.Journal) Journal {
	j := Journal{
		MaxAge: c.duration("journal.retention.max_age", m.GetRetention().GetMaxAge(),
			durationRange{Default: 168 * time.Hour, Min: time.Second}),
		MaxBytes: c.size("journal.retention.max_bytes", m.GetRetention().GetMaxBytes(),
			sizeRange{Default: 10 << 30, Min: 1 << 20}),
		MinFree: c.size("journal.min_free", m.GetMinFree(), sizeRange{Default: 512 << 20}),
		NATS:    c.nats(m.GetNats()),
	}
	j.Dir = c.absolute(cmp.Or(m.GetDir(), "./data"))
	j.HoldBytes = c.size("journal.retention.hold_bytes", m.GetRetention().GetHoldBytes(), sizeRange{Default: j.MaxBytes / 2})
	if j.HoldBytes > j.MaxBytes && !c.At("journal.retention.hold_bytes") {
		c.Add("journal.retention.hold_bytes", "want at most journal.retention.max_bytes, which is %s; got %s",
			formatSize(j.MaxBytes), c.Got("journal.retention.hold_bytes"))
	}
	j.DeadLetterBytes = c.size("journal.retention.dead_letter_bytes", m.GetRetention().GetDeadLetterBytes(), sizeRange{Default: 1 << 30, Min: 1 << 20})
	j.DeadLetterMaxAge = c.duration("journal.retention.dead_letter_max_age", m.GetRetention().GetDeadLetterMaxAge(), durationRange{Min: time.Second})
	j.DedupeWindow = c.window("journal.dedupe_window", m.GetDedupeWindow(), 24*time.Hour, j.MaxAge)
	return j
}

// window reads the time for which an id is remembered. Ids are those of stored events, so it can't exceed their age.
func (c *completion) window(path, value string, fallback, maxAge time.Duration) time.Duration {
	window := c.duration(path, value, durationRange{Default: min(fallback, maxAge), Min: time.Second})
	if window > maxAge && !c.At(path) && !c.At("journal.retention.max_age") {
		c.Add(path, "want at most journal.retention.max_age, which is %s, because an id is remembered no longer than its event; got %s",
			formatDuration(maxAge), c.Got(path))
	}
	return window
}

func (c *completion) nats(m *configv1.NATS) *NATS {
	if m == nil {
		return nil
	}
	for server := range strings.SplitSeq(m.GetUrl(), ",") {
		if c.At("journal.nats.url") {
			break
		}
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			c.Add("journal.nats.url", "want the servers, like nats://a:4222,nats://b:4222; got something else, which is not "+
				"repeated here because it may contain a password")
			break
		}
		if u.User != nil {
			c.Add("journal.nats.url", "want no user or password in the URL; name a file in journal.nats.credentials_file")
			break
		}
	}
	n := &NATS{URL: m.GetUrl(), Prefix: cmp.Or(m.GetPrefix(), "hookbridge"), Replicas: cmp.Or(int(m.GetReplicas()), 3)}
	if m.GetCredentialsFile() != "" && !c.At("journal.nats.credentials_file") {
		n.CredentialsFile = c.absolute(m.GetCredentialsFile())
		if err := readable(n.CredentialsFile); err != nil {
			c.Add("journal.nats.credentials_file", "%v", err)
		}
	}
	return n
}

func (c *completion) subscriptions(list []*configv1.SubscriptionPolicy) []SubscriptionPolicy {
	var policies []SubscriptionPolicy
	first := map[string]int{}
	for i, m := range list {
		c.unique("subscriptions", i, m.GetName(), first)
		policies = append(policies, SubscriptionPolicy{Name: m.GetName(), HoldAll: m.GetHold() == "all"})
	}
	return policies
}

func (c *completion) rejections(m *configv1.Rejections) Rejections {
	return Rejections{
		MaxBytes: c.size("rejections.max_bytes", m.GetMaxBytes(), sizeRange{Default: 16 << 20, Min: 1 << 20, Max: 1 << 30}),
		MaxAge:   c.duration("rejections.max_age", m.GetMaxAge(), durationRange{Default: 168 * time.Hour, Min: time.Hour, Max: 720 * time.Hour}),
		Bodies:   m.GetBodies(),
	}
}

func (c *completion) log(m *configv1.Log) Log {
	l := Log{Format: m.GetFormat()}
	if m.GetLevel() != "" && !c.At("log.level") {
		if err := l.Level.UnmarshalText([]byte(m.GetLevel())); err != nil {
			c.Add("log.level", "%v", err)
		}
	}
	return l
}

// absolute resolves a path against the folder of the configuration.
func (c *completion) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.dir, path)
}
