package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// secret signs everything here.
const secret = "a secret of the bench"

// body is a delivery of GitHub's event star of exactly 1 KB, all of whose fields the typed message has.
var body = func() []byte {
	const document = `{"action":"created","starred_at":"2026-03-01T09:00:00Z","repository":{"id":35129377,"node_id":"MDEwOlJlcG9zaXRvcnkzNTEyOTM3Nw==",` +
		`"name":"mugs","full_name":"acme/mugs","private":false,"owner":{"login":"acme","id":6752317,"type":"Organization","site_admin":false},` +
		`"html_url":"https://github.com/acme/mugs","fork":false,"url":"https://api.github.com/repos/acme/mugs","created_at":"2015-05-05T23:40:12Z",` +
		`"updated_at":"2026-02-01T23:40:12Z","pushed_at":"2026-02-28T23:40:27Z","size":812,"stargazers_count":1041,"watchers_count":1041,"language":"Go",` +
		`"has_issues":true,"has_projects":true,"has_wiki":false,"forks_count":33,"archived":false,"open_issues_count":7,"default_branch":"main","description":"%s"},` +
		`"sender":{"login":"lena","id":21031067,"type":"User","site_admin":false,"html_url":"https://github.com/lena"}}`
	const size = 1024
	return fmt.Appendf(nil, document, strings.Repeat(filling, size-len(document)+len("%s")))
}()

// filling is what the description in body is made of. Its beginning is where a request has its id.
const filling = "m"

// sign writes the signature of a body into the 64 bytes after sha256=.
func sign(mac hash.Hash, body, signature []byte) {
	mac.Reset()
	mac.Write(body)
	var sum [sha256.Size]byte
	hex.Encode(signature, mac.Sum(sum[:0]))
}

// idLength is that of the ids in requests.
const idLength = 24

// sourceLength is that of the names of sources.
const sourceLength = len("github")

// request is a whole HTTP request, with room for an id and a source. Its body has the id in it: bodies differ, as they do in life.
type request struct {
	bytes      []byte
	id, source []byte // parts of bytes
	mark, body []byte // the id in the body, and all of it
	signature  []byte
	mac        hash.Hash
}

func newRequest(host string) *request {
	const path, prefix = "POST /webhooks/", "sha256="
	unsigned := strings.Repeat("0", hex.EncodedLen(sha256.Size))
	head := fmt.Sprintf(path+"github HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nX-GitHub-Event: star\r\n"+
		"X-Hub-Signature-256: "+prefix+"%s\r\nContent-Length: %d\r\nX-GitHub-Delivery: ", host, unsigned, len(body))
	r := &request{
		bytes: bytes.Join([][]byte{[]byte(head), bytes.Repeat([]byte("0"), idLength), []byte("\r\n\r\n"), body}, nil),
		mac:   hmac.New(sha256.New, []byte(secret)),
	}
	r.id, r.source = r.bytes[len(head):len(head)+idLength], r.bytes[len(path):len(path)+sourceLength]
	r.body = r.bytes[len(r.bytes)-len(body):]
	at := bytes.Index(r.body, bytes.Repeat([]byte(filling), idLength))
	r.mark = r.body[at : at+idLength]
	at = strings.Index(head, prefix) + len(prefix)
	r.signature = r.bytes[at : at+len(unsigned)]
	sign(r.mac, r.body, r.signature)
	return r
}

// name gives the request an id, in the header and in the body: who sends it, and a number.
func (r *request) name(sender, number int64) {
	const digits = "0123456789abcdef"
	for n := idLength - 1; n >= idLength/2; n-- {
		r.id[n] = digits[number&15]
		number >>= 4
	}
	for n := idLength/2 - 1; n >= 0; n-- {
		r.id[n] = digits[sender&15]
		sender >>= 4
	}
	copy(r.mark, r.id)
	sign(r.mac, r.body, r.signature)
}
