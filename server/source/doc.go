// Package source is hookbridge.v1.SourceService: it shows the sources, and takes the secrets that handshakes bring.
//
// Some providers choose the secret themselves and send it once, with the request by which they check the endpoint. Nothing proves that
// such a request is the provider's, so it is taken only while the operator waits for it: OpenCapture opens a window for one source, the
// first handshake in it brings the secret, and the window is closed.
//
// What it promises: without a window nothing is kept; a secret that was kept is never replaced; it is on disk before the handshake is
// answered; it is in no log and in no answer. What it doesn't: that the one who sent the first handshake within the window was the
// provider. The log says from which address it came.
//
// A window is in the memory of one bridge. It ends with the process, and with its time by the monotonic clock.
package source
