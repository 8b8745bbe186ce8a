package delivery

import "net/url"

// Called returns the URL by which a provider calls a path of the listener: the public URL, and behind it path and query. Its path begins with a
// slash, so that what signs method and path sees the same path as what signs the whole URL.
func Called(public *url.URL, path, query string) *url.URL {
	base := *public
	if base.Path == "" {
		// Else JoinPath would make a path without its first slash.
		base.Path = "/"
	}
	u := base.JoinPath(path)
	u.RawQuery = query
	return u
}
