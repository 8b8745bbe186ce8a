package config

import (
	"strings"
	"time"
)

// durationRange says which durations a field takes. Max 0 is without bound.
type durationRange struct{ Default, Min, Max time.Duration }

// sizeRange says which sizes a field takes. Max 0 is without bound.
type sizeRange struct{ Default, Min, Max int64 }

func (c *completion) duration(path, value string, r durationRange) time.Duration {
	if value == "" {
		return r.Default
	}
	d, err := time.ParseDuration(value)
	switch {
	case c.At(path):
	case err != nil:
		c.Add(path, "want a duration, like 30s, 24h or 1h30m; got %s", c.Got(path))
	case d < r.Min || r.Max > 0 && d > r.Max:
		c.Add(path, "want %s; got %s", bounds(formatDuration(r.Min), formatDuration(r.Max), r.Max > 0), c.Got(path))
	default:
		return d
	}
	return r.Default
}

func (c *completion) size(path, value string, r sizeRange) int64 {
	if value == "" {
		return r.Default
	}
	n, ok := parseSize(value)
	switch {
	case c.At(path):
	case !ok:
		c.Add(path, "want a size, like 512KiB, 10MiB or 1GiB; got %s", c.Got(path))
	case n < r.Min || r.Max > 0 && n > r.Max:
		c.Add(path, "want %s; got %s", bounds(formatSize(r.Min), formatSize(r.Max), r.Max > 0), c.Got(path))
	default:
		return n
	}
	return r.Default
}

func bounds(least, most string, bounded bool) string {
	if bounded {
		return "from " + least + " to " + most
	}
	return "at least " + least
}

// formatDuration is time.Duration's notation without the zero parts: 168h, not 168h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
