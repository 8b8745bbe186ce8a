package journal

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog passes on what the server inside the process logs, warnings and worse, and remembers why it gave up.
type serverLog struct {
	log *slog.Logger
	mu  sync.Mutex
	// fatal is the last thing that made the server give up. It says so in its log and nowhere else.
	fatal string
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

// largePayloads begins what the server warns of at every start: records are as large as bodies are, on purpose, and it has no
// other client than this process.
const largePayloads = "Maximum payloads over "

func (l *serverLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, largePayloads) {
		l.write(slog.LevelWarn, format, v)
	}
}

// Errorf passes an error on.
func (l *serverLog) Errorf(format string, v ...any) { l.write(slog.LevelError, format, v) }

// Fatalf doesn't end the process: the server returns after it.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	l.fatal = fmt.Sprintf(format, v...)
	l.mu.Unlock()
}

func (l *serverLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) write(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, fmt.Sprintf(format, v...), "component", "nats")
}
