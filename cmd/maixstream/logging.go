package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// outliveReaders keeps a server running when the reader of its output has gone: a log collector that ended, a killed tee. By default Go ends a program at
// SIGPIPE on standard output or error; with a handler, the write fails and the line is lost. Ignoring the signal instead would be inherited by
// child processes.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// logFlags are the flags of verbs that log.
type logFlags struct {
	level, format *choiceValue
	now           zap.AtomicLevel // the logger's level, changeable while in use
}

func addLogFlags(flags *pflag.FlagSet) *logFlags {
	l := &logFlags{choice("info", "debug", "warn", "error"), choice("console", "json"), zap.NewAtomicLevel()}
	flags.Var(l.level, "log-level", "minimum level to log")
	flags.Var(l.format, "log-format", "human-readable text or JSON lines")
	return l
}

// logger writes to w, one line per entry. Lines that libraries write to Go's standard log end up there, too, in the same form.
func (l *logFlags) logger(w io.Writer) *zap.Logger {
	level, err := zapcore.ParseLevel(l.level.value)
	if err != nil {
		level = zapcore.InfoLevel // unreachable: the flag accepts only zap's names
	}
	l.now.SetLevel(level)
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if l.format.value == "console" {
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		config.ConsoleSeparator = " "
		encoder = zapcore.NewConsoleEncoder(config)
	}
	log := zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), l.now))
	_, _ = zap.RedirectStdLogAt(log.Named("library"), zap.WarnLevel) // fails for unknown levels only
	return log
}
