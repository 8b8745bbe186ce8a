// Package chance is randomness of tests that can be had again.
//
// A test takes a seed, which is printed, and each of its parts a generator of its own made of the seed and of what names the part: a goroutine,
// a case, an event and its attempt. A seed then replays everything that is drawn, whatever order the parts run in. What it can't replay is what
// isn't drawn: the scheduler of a real process, the disk, the network, the order of a map's keys.
package chance

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Variable is the environment variable that a printed seed is given back in.
const Variable = "HOOKBRIDGE_TEST_SEED"

// Seed is a new one, or the one of the environment, and is printed with the test's output.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(Variable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: want a number, got %q", Variable, text)
		}
	}
	t.Logf("%s=%d draws the same again", Variable, seed)
	return seed
}

// Of is the generator of a part. It is for one goroutine.
func Of(seed uint64, part ...any) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %q", seed, fmt.Sprintln(part...)))))
}
