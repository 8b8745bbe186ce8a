package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server in a process of its own: the bridge, or the limit.
type process struct {
	http, grpc, admin string
	cmd               *exec.Cmd
}

// startLimit starts this program as the limit.
func startLimit(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launch(exec.CommandContext(ctx, self, limitCommand))
}

// startBridge starts the bridge on a folder.
func startBridge(ctx context.Context, p *plan, folder string) (*process, error) {
	config := filepath.Join(folder, "hookbridge.yaml")
	text := `http: {listen: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8]}
grpc: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
journal: {dir: ./data}
sources:
  - {name: github, provider: github, secrets: ["file:./secret"]}
`
	for _, name := range crowdSources() {
		text += fmt.Sprintf("  - {name: %s, provider: github, secrets: [\"file:./secret\"]}\n", name)
	}
	text += "log: {level: error}\n"
	for name, content := range map[string]string{config: text, filepath.Join(folder, "secret"): secret} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return launch(exec.CommandContext(ctx, p.binary, "serve", "--config", config))
}

// withBridge runs a function against a bridge on a new journal.
func withBridge(ctx context.Context, p *plan, f func(*process) error) error {
	return withFolder(p, func(folder string) error {
		b, err := startBridge(ctx, p, folder)
		if err != nil {
			return err
		}
		return errors.Join(f(b), b.stop())
	})
}

func withFolder(p *plan, f func(string) error) error {
	folder, err := os.MkdirTemp(p.dir, "hookbridge-bench-")
	if err != nil {
		return err
	}
	return errors.Join(f(folder), os.RemoveAll(folder))
}

var addressLine = regexp.MustCompile(`^ +(webhooks|gRPC|admin) +(?:http://)?([0-9.:]+)`)

// launch starts a process and reads from its output where it listens.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for p.admin == "" && lines.Scan() {
		m := addressLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		*map[string]*string{"webhooks": &p.http, "gRPC": &p.grpc, "admin": &p.admin}[m[1]] = m[2]
	}
	if p.admin == "" {
		return nil, fmt.Errorf("%s ended before it listened: %w", cmd, cmd.Wait())
	}
	// What follows on its output is little, and fits the pipe.
	return p, nil
}

// ready waits until the bridge says that it takes deliveries.
func (p *process) ready(ctx context.Context) error {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return ctx.Err()
}

// stop ends the process in order.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	// It says that it was killed.
	_ = p.cmd.Wait()
}

// resident is the process's memory in bytes.
func (p *process) resident() (int64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

// settled gives a process time to rest, so that idle memory is idle.
func settled(ctx context.Context) {
	const rest = 5 * time.Second
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
}
