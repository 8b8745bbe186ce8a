package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hookbridge/hookbridge/server/auth"
)

// Each reload says what of the file waits for a restart: what differs from how the bridge was started, whatever was reloaded in between.
// Principals that came with a reload are in force, and to take them all away waits.
func TestReloadSaysWhatWaitsForARestart(t *testing.T) {
	log := &lines{}
	b := openLogged(t, "journal: {min_free: \"0\"}\nshutdown_timeout: 6s\n"+oneSource, log)
	started, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	principals := "auth:\n  principals:\n" + principal("a", auth.NewToken(), "", `manage: true`)
	changed := strings.NewReplacer(`min_free: "0"`, "min_free: 1B", "shutdown_timeout: 6s", "shutdown_timeout: 7s").Replace(string(started))
	for _, step := range []struct{ when, text, want string }{
		{"nothing changed", string(started), ""},
		{"a change", changed, `keys="[journal shutdown_timeout]"`},
		{"it still waits", changed, `keys="[journal shutdown_timeout]"`},
		{"a policy came", changed + "subscriptions: [{name: s, hold: all}]\n", `keys="[journal shutdown_timeout]"`},
		{"the file as it was", string(started), ""},
		{"principals came", string(started) + principals, ""},
		{"they went", string(started), "keys=[auth]"},
		{"they are still there", string(started), "keys=[auth]"},
		{"they came back", string(started) + principals, ""},
	} {
		log.take()
		b.rewrite(step.text)
		got := log.take()
		line := `level=WARN msg="some changes of the configuration take effect only after a restart" ` + step.want + "\n"
		if warned := strings.Count(got, "level=WARN"); warned > 1 || (warned == 1) != (step.want != "") || warned == 1 && !strings.Contains(got, line) {
			t.Errorf("%s: want %s, got %s", step.when, step.want, got)
		}
	}
}
