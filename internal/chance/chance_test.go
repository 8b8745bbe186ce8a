package chance

import (
	"fmt"
	"testing"
)

// A part draws the same of one seed, whatever others draw, and other things of another seed or under another name.
func TestOf(t *testing.T) {
	draw := func(seed uint64, part ...any) (n uint64) {
		r := Of(seed, part...)
		Of(seed, "another").Uint64()
		return r.Uint64()
	}
	const seed = 7
	first := draw(seed, "a", 1)
	if again := draw(seed, "a", 1); again != first {
		t.Errorf("drew %d, and then %d", first, again)
	}
	for name, other := range map[string]uint64{
		"another seed": draw(seed+1, "a", 1), "another name": draw(seed, "b", 1), "another number": draw(seed, "a", 2), "fewer": draw(seed, "a"), "none": draw(seed),
	} {
		if other == first {
			t.Errorf("%s: drew %d as well", name, other)
		}
	}
}

// A seed comes from the environment where it is there; what is none is said so.
func TestSeed(t *testing.T) {
	t.Setenv(Variable, "18446744073709551615")
	if got := Seed(t); got != 1<<64-1 {
		t.Errorf("got %d", got)
	}
	t.Setenv(Variable, "")
	if a, b := Seed(t), Seed(t); a == b {
		t.Errorf("the same twice: %d", a)
	}
	t.Setenv(Variable, "-1")
	f := &failing{TB: t}
	Seed(f)
	if f.text != `HOOKBRIDGE_TEST_SEED: want a number, got "-1"` {
		t.Errorf("got %q", f.text)
	}
}

// failing is a test that has failed.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
}
