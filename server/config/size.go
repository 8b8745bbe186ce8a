package config

import (
	"math"
	"strconv"
	"strings"
)

// unit is a suffix of sizes and what it stands for.
type unit struct {
	suffix string
	bytes  int64
}

// parseSize reads a number of bytes, like "512KiB", "10GB" or "4096". No fractions and no bare letters: "10G" is 10^9 to some
// and 2^30 to others.
func parseSize(s string) (int64, bool) {
	// Longest suffix first: "B" ends them all.
	for _, u := range []unit{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"B", 1}, {"", 1},
	} {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			return 0, false
		}
		return int64(n) * u.bytes, true
	}
	return 0, false
}

// formatSize is for limits in messages, which are whole numbers of a unit.
func formatSize(n int64) string {
	for _, u := range []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
