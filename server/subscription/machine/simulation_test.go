package machine

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// How long one run is: short enough that many worlds with different limits come along.
const runSteps = 10_000

// TestSimulation runs machines through random operations: events come, members join, die and stall, take, acknowledge, reject and
// extend in and out of turn, grants are withdrawn (all members of a principal go at once, are refused until it has its grant again, and
// the others take over), deadlines pass, dead letters are stored or not, redriven and replayed, keys are held to their order, the
// position is moved, sending is paused, retention overtakes, and the bridge is restarted with nothing but the last stored State.
// A model that knows none of the machine's rules watches what comes out. HOOKBRIDGE_SIM_SEED repeats one run; HOOKBRIDGE_SIM_STEPS
// makes the whole longer (make soak, which CI runs: ten million steps).
func TestSimulation(t *testing.T) {
	if seed := envInt(t, "HOOKBRIDGE_SIM_SEED", 0); seed != 0 {
		simulate(t, uint64(seed))
		return
	}
	first := rand.Uint64() >> 2
	steps := 500_000
	if testing.Short() {
		steps = 100_000
	}
	runs := max(1, envInt(t, "HOOKBRIDGE_SIM_STEPS", steps)/runSteps)
	t.Logf("%d runs of %d steps, HOOKBRIDGE_SIM_SEED=%d and the following", runs, runSteps, first)
	for i := range runs {
		simulate(t, first+uint64(i))
	}
}

func simulate(t *testing.T, seed uint64) {
	s := newSimulation(seed, real())
	if err := s.run(runSteps); err != nil {
		t.Fatalf("HOOKBRIDGE_SIM_SEED=%d: step %d: %v", seed, s.step, err)
	}
}

// TestSimulationFindsBrokenRules breaks one rule at a time and expects the simulation to notice.
func TestSimulationFindsBrokenRules(t *testing.T) {
	const seeds, steps = 60, 5_000
	for name, broken := range mutants() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(seeds) {
				if err := newSimulation(seed+1, broken).run(steps); err != nil {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			t.Errorf("%d runs of %d steps found nothing", seeds, steps)
		})
	}
}

// What the simulation must have come across for its silence to mean something.
func TestSimulationSeesEverything(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(20) {
		s := newSimulation(seed+1, real())
		if err := s.run(5_000); err != nil {
			t.Fatalf("HOOKBRIDGE_SIM_SEED=%d: step %d: %v", seed+1, s.step, err)
		}
		for what, n := range s.seen {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"ack 1", "ack 2", "ack 3", "reject 1", "reject 3", "reject 5", "extend 1", "extend 3",
		"sent 1", "sent 2", "sent 3", "sent 4", "sent 5", "sent 6", "sent 7",
		"buried true", "buried false", "bury failed true", "bury failed false", "acknowledged while buried",
		"redriven", "redrive skipped", "replayed", "replay skipped", "no room to inject", "replay cancelled", "copy deleted",
		"seek left a lease", "settled ahead", "passed over", "gap", "gone", "gone too late", "not sent", "blocked", "commit lost", "sent while key waits", "postponed over a restart",
		"grant withdrawn", "grant withdrawn with a lease", "grant given back", "others take over", "refused to come back", "refused without a grant",
	} {
		if seen[what] < 10 {
			t.Errorf("%q happened %d times, want 10 at least", what, seen[what])
		}
	}
}

func envInt(t *testing.T, name string, otherwise int) int {
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
