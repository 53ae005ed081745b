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

// outliveReaders keeps a server running when whoever read its output has gone: a log keeper that ended, tee that was killed. Go ends a program at
// SIGPIPE on standard output or error unless it is asked for; then the write fails, and the line is lost. It is not ignored, which programs that are
// started would inherit.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// logFlags are the flags of every verb that logs.
type logFlags struct {
	level, format *choiceValue
	now           zap.AtomicLevel // of the logger, so that it can change while it is used
}

func addLogFlags(flags *pflag.FlagSet) *logFlags {
	l := &logFlags{choice("info", "debug", "warn", "error"), choice("console", "json"), zap.NewAtomicLevel()}
	flags.Var(l.level, "log-level", "minimum level to log")
	flags.Var(l.format, "log-format", "human-readable text or JSON lines")
	return l
}

// logger writes to w, one line an entry. What libraries write to Go's own log goes there, too, in the same form.
func (l *logFlags) logger(w io.Writer) *zap.Logger {
	level, err := zapcore.ParseLevel(l.level.value)
	if err != nil {
		level = zapcore.InfoLevel // cannot be: the flag has only zap's own names
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
