package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/hookbridge/hookbridge/server/config"
)

// reloader reads the configuration anew on SIGHUP and when the file, or a file with a secret, changes. One that is wrong changes
// nothing.
type reloader struct {
	file    string
	current *config.Config
	apply   func(*config.Config) error
	log     *slog.Logger
	signals chan os.Signal
	// watcher is nil where the system can't watch files; SIGHUP is left then.
	watcher *config.Watcher
}

func newReloader(file string, current *config.Config, apply func(*config.Config) error, log *slog.Logger) *reloader {
	r := &reloader{file: file, current: current, apply: apply, log: log, signals: make(chan os.Signal, 1)}
	var err error
	if r.watcher, err = config.Watch(current.Files()); err != nil {
		log.Warn("changes of the configuration's files are not noticed; send SIGHUP after one", "error", err)
	}
	signal.Notify(r.signals, syscall.SIGHUP)
	return r
}

// run reloads until the context ends.
func (r *reloader) run(ctx context.Context) {
	defer signal.Stop(r.signals)
	var changes <-chan struct{}
	if r.watcher != nil {
		changes = r.watcher.Changes()
		defer func() {
			if err := r.watcher.Close(); err != nil {
				r.log.Warn("the watch of the configuration's files didn't end well", "error", err)
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.signals:
			r.reload(true)
		case <-changes:
			r.reload(false)
		}
	}
}

// reload loads and applies the configuration. One that says what the current one does is applied only when that is asked for.
func (r *reloader) reload(always bool) {
	cfg, err := load(r.file)
	if err != nil {
		r.refused(err)
		return
	}
	r.watch(cfg.Files())
	if !always && reflect.DeepEqual(cfg, r.current) {
		return
	}
	if err := r.apply(cfg); err != nil {
		r.refused(err)
		return
	}
	r.current = cfg
}

// refused logs every problem, and waits for the files that could solve them, too.
func (r *reloader) refused(err error) {
	problems, ok := errors.AsType[*config.Error](err)
	if !ok {
		r.log.Error("the configuration was not reloaded, the old one stays", "error", err)
		return
	}
	for _, p := range problems.Problems {
		r.log.Error("problem of the configuration", "file", problems.File, "line", p.Line, "column", p.Column, "problem", p.String())
	}
	r.log.Error("the configuration was not reloaded, the old one stays", "problems", len(problems.Problems))
	r.watch(append(problems.Files, r.current.Files()...))
}

func (r *reloader) watch(files []string) {
	if r.watcher == nil {
		return
	}
	if err := r.watcher.SetFiles(files); err != nil {
		r.log.Warn("some changes of the configuration's files are not noticed; send SIGHUP after one", "error", err)
	}
}
