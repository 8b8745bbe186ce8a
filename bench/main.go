// Command bench measures a bridge against what the machine could do at most, in one run, and prints one table.
//
//	make bench                            everything, about a quarter of an hour
//	go run ./bench -quick                 a minute, for a first impression
//	go run ./bench -only ingest,latency   some of it
//
// The bridge is the real binary (bin/hookbridge) in a process of its own, with a journal on the disk of -dir. Deliveries are signed
// JSON bodies of 1 KB, each with its own id, that decode into a typed event. Machines are noisy: look at the ratios, and at medians of
// several runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// plan is how much is measured.
type plan struct {
	binary, dir string
	rounds      int           // of limit and bridge, whose median counts
	span        time.Duration // of one round
	stored      int           // events for the catch-up
	many        int           // events for memory and start-up
	crowds      []int         // numbers of subscriptions, the first to compare with
	turns       int           // of each of them, whose median counts
}

// parts are the measurements, in the order of the table.
var parts = []struct {
	name string
	run  func(context.Context, *plan, *table) error
}{
	{"ingest", measureIngest},
	{"latency", measureLatency},
	{"forged", measureForged},
	{"catchup", measureCatchUp},
	{"crowd", measureCrowds},
	{"memory", measureMemory},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == limitCommand {
		exit(serveLimit())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == forgeCommand {
		exit(serveForgery(ctx, os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == membersCommand {
		exit(serveMembers(ctx, os.Args[2:]))
	}
	exit(run(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context) error {
	p := &plan{rounds: 3, span: 5 * time.Second, stored: 200_000, many: 1_000_000, crowds: []int{10, 1000}, turns: 7}
	quick := flag.Bool("quick", false, "measure a minute only")
	only := flag.String("only", "", "comma-separated `PARTS`: ingest, latency, forged, catchup, crowd, memory")
	flag.StringVar(&p.binary, "binary", "bin/hookbridge", "the bridge's `FILE`")
	flag.StringVar(&p.dir, "dir", "", "the `FOLDER` for journals (default: a temporary one)")
	flag.IntVar(&p.many, "events", p.many, "the `NUMBER` of events for memory and start-up")
	flag.Parse()
	if *quick {
		p.rounds, p.span, p.stored, p.many, p.crowds, p.turns = 1, 2*time.Second, 50_000, 100_000, []int{10, 200}, 1
	}
	var chosen []string
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	t := &table{}
	var errs []error
	for _, part := range parts {
		if chosen != nil && !slices.Contains(chosen, part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", part.name)
		if err := part.run(ctx, p, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	_, err := fmt.Print(t)
	return errors.Join(append(errs, err)...)
}
