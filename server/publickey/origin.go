package publickey

// Origin is where keys are published.
type Origin struct {
	// URL is https. Unless Scope is set, it is the operator's or the pack's and never the delivery's.
	URL    string
	Format Format
	// Body is what is POSTed as JSON; nil for a GET. It may hold a credential: it is in no error, log or metric.
	Body []byte
	// Scope names those origins of which the delivery chooses a part, the URL's end or the key that is asked for. How often such parts are
	// fetched is bounded for each scope. Empty: the origin is fixed.
	Scope string
	// Peer is the address that the delivery came from which chose a part. It says whose turn it is, and makes no other origin.
	Peer string
}
