package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestBody(t *testing.T) {
	if len(body) != 1024 || !json.Valid(body) {
		t.Errorf("want a JSON body of 1,024 bytes, got %d: %s", len(body), body)
	}
}

func TestRequestIDs(t *testing.T) {
	r := newRequest("host")
	r.name(0x1f, 0xab)
	if got := string(r.id); got != "00000000001f0000000000ab" || !strings.Contains(string(r.bytes), "X-GitHub-Delivery: "+got+"\r\n\r\n{") {
		t.Errorf("got %s in %s", got, r.bytes)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(r.body)
	if want := "X-Hub-Signature-256: sha256=" + hex.EncodeToString(mac.Sum(nil)) + "\r\n"; !strings.Contains(string(r.bytes), want) ||
		!strings.Contains(string(r.body), `"description":"00000000001f0000000000ab`) {
		t.Errorf("want %sand the id in the body, got %s", want, r.bytes)
	}
}

func TestSinceSent(t *testing.T) {
	sent := time.UnixMicro(1_795_000_000_123_456)
	r := newRequest("host")
	r.name(sent.UnixMicro(), 7)
	if got, err := sinceSent(string(r.id), sent.Add(1500*time.Microsecond)); got != 1500*time.Microsecond || err != nil {
		t.Errorf("want 1.5ms, got %v, %v", got, err)
	}
	if _, err := sinceSent("short", sent); err == nil {
		t.Error("an id that isn't one was taken")
	}
}

func TestReadAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{\"duplicate\":false}"
	for _, tc := range []struct{ name, text, want string }{
		{"new", ok, ""},
		{"duplicate", strings.Replace(ok, "19\r\n\r\n{\"duplicate\":false", "18\r\n\r\n{\"duplicate\":true", 1), `an event that is new was taken for a duplicate: {"duplicate":true}`},
		{"refused", strings.Replace(ok, "200 OK", "503 Service Unavailable", 1), `refused: HTTP/1.1 503 Service Unavailable: {"duplicate":false}`},
		{"without a length", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK: want an answer of a given length, up to 4096 bytes, got -1"},
		{"cut off", ok[:len(ok)-1], "EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(tc.text + "HTTP"))
			if tc.name == "cut off" {
				r = bufio.NewReader(strings.NewReader(tc.text))
			}
			got := ""
			if err := readAnswer(r); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("want %q, got %q", tc.want, got)
			}
			if rest, _ := r.Peek(4); (tc.want == "" || tc.name == "refused") && string(rest) != "HTTP" {
				t.Errorf("it did not stop at the next answer, but at %q", rest)
			}
		})
	}
}

// A forged delivery differs from a real one in its signature and who sent it.
func TestForgedRequest(t *testing.T) {
	r, peer := forgedRequest("host")
	copy(peer, "10.101.102.103")
	text := string(r.bytes)
	real := newRequest("host")
	want := strings.Replace(string(real.bytes), string(real.signature), strings.Repeat("0", 64), 1)
	want = strings.Replace(want, "\r\n\r\n", "\r\nX-Forwarded-For: 10.101.102.103\r\n\r\n", 1)
	if text != want {
		t.Errorf("want %s\ngot %s", want, text)
	}
}

func TestTable(t *testing.T) {
	var table table
	table.add("a", "%d", 1)
	table.judge("long name", "2", "3", false)
	const want = "what       figure  target  \na          1               \nlong name  2       3       MISSED\n"
	if table.String() != want {
		t.Errorf("want\n%q\ngot\n%q", want, table.String())
	}
	values := []time.Duration{4, 1, 3, 2}
	if quantile(values, 0.5) != 3 || quantile(values, 0.99) != 4 || median([]float64{3, 1, 2}) != 2 {
		t.Error("quantiles are wrong")
	}
}
