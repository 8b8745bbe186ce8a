package keysource

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

var errNotPublic = errors.New("is no public address")

// special are networks that look global to package netip and are not: a name that leads there leads into somebody's own network.
func special() []string {
	return []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	}
}

// publicOnly is asked with the address that is about to be connected to, after names were resolved: no answer of a name server leads
// inside.
func publicOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s %w", address, errNotPublic)
	}
	addr := to.Addr().Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() ||
		slices.ContainsFunc(special(), func(text string) bool {
			p, err := netip.ParsePrefix(text)
			return err != nil || p.Contains(addr)
		}) {
		return fmt.Errorf("%s %w", addr, errNotPublic)
	}
	return nil
}
