// Package server is the bridge: it puts the parts together, opens and binds everything, runs it, and shuts it down by script.
//
// A delivery goes through the rooms once, in one direction:
//
//	provider ──HTTP──▶ edge ──▶ gateway ──▶ ingest ──▶ journal ──▶ subscription ──gRPC──▶ client
//	                   limit     JSON →      Event      append      position, lease,
//	                   read      typed       envelope   fsync       send, redeliver,
//	                   verify    gRPC call              dedupe      acknowledge
//
//	delivery      the shapes of a webhook before and after its signature was checked
//	signature     the scheme engine: does this signature match these bytes? In signature/method, the few providers that are code
//	publickey     public keys as providers publish them
//	keysource     fetching those: where from, how often, and nowhere else
//	document      a YAML file as a message: where each field stands, and everything that is wrong with it
//	provider      providers as data (packs/*.yaml), and the sources made of them
//	edge          the HTTP listener for providers: limits, reading, verifying, answering
//	schema        the registry of event messages, the users' own too; decoding JSON into them; the SchemaService
//	gateway       grpc-gateway: a verified delivery becomes a typed call on a channel inside the process
//	ingest        the service behind that channel
//	journal       the durable log on NATS JetStream: group commit, ids, retention
//	subscription  who gets what: the state machine, the streams, the acknowledgements
//	rejection     what was refused: the log, and what finds out why
//	source        what is configured, and the secrets that handshakes bring
//	fault         every refusal, its code, status, reason and text, in one table
//	auth          who calls, and what the caller may do
//	pattern       the rule by which names are chosen, in filters and in grants
//	config        the configuration file
//	requestid     one id for a request, from the answer to the log line
//
// No room reaches past the next one; repo_test.go holds the imports to that. Only this package sees them all.
package server
