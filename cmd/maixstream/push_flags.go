package main

import (
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/push"
)

// targetFlags describe how pictures are sent to a server; push and serve share them.
type targetFlags struct {
	prefix     string
	as         *choiceValue
	method     *choiceValue
	device     *string
	header     *[]string
	headerFile *string
	maxWait    *time.Duration
	spool      *string
	spoolMax   bytesValue
	caFile     *string
	authFile   *string
	tokenFile  *string
}

// addTargetFlags adds them, with a prefix to each name, and a prefix to each help text that tells whose flags they are.
func addTargetFlags(flags *pflag.FlagSet, prefix, whose string) *targetFlags {
	f := &targetFlags{prefix: prefix, as: choice("raw", "form", "multipart"), method: choice(http.MethodPost, http.MethodPut, http.MethodPatch), spoolMax: 256 << 20}
	flags.Var(f.as, prefix+"as", whose+"how pictures are sent: each as a request's body, each as a file in a form, or all as parts of one endless request")
	flags.Var(f.method, prefix+"method", whose+"HTTP method; PUT to a URL whose path ends in / appends a file name, {name} puts it elsewhere")
	f.device = flags.String(prefix+"device", "", whose+"`NAME` of this device for the server (header X-Device); the host name by default")
	f.header = flags.StringArray(prefix+"header", nil, whose+"add a header `'NAME: VALUE'` to each request; repeatable")
	f.headerFile = flags.String(prefix+"header-file", "", whose+"headers, NAME: VALUE, one per line of this `FILE`; keeps secrets off the command line")
	f.maxWait = flags.Duration(prefix+"max-retry-after", 5*time.Minute, whose+"maximum Retry-After of a busy server to obey")
	f.spool = flags.String(prefix+"spool", "", whose+"keep every picture in this `DIR` until the server has it, across restarts; without it only the newest is sent")
	flags.Var(&f.spoolMax, prefix+"spool-max", whose+"drop the spool's oldest pictures above this size")
	f.caFile = flags.String(prefix+"ca-file", "", whose+"also trust the certificates in this `FILE` (PEM)")
	f.authFile = flags.String(prefix+"auth-file", "", whose+"log in with the user:password in the first line of this `FILE`")
	f.tokenFile = flags.String(prefix+"token-file", "", whose+"log in with the bearer token in the first line of this `FILE`")
	return f
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// config returns a Pusher's configuration.
func (f *targetFlags) config(url string, log *zap.Logger) (push.Config, error) {
	c := push.Config{
		URL: url, As: push.Mode(f.as.value), Device: *f.device, CAFile: *f.caFile, AuthFile: *f.authFile, TokenFile: *f.tokenFile,
		Method: f.method.value, HeaderFile: *f.headerFile, MaxWait: *f.maxWait, Spool: *f.spool, SpoolMax: int64(f.spoolMax), Header: http.Header{}, Log: log,
	}
	if *f.maxWait <= 0 {
		return c, usagef("--%smax-retry-after %v: must be more than 0", f.prefix, *f.maxWait)
	}
	if c.Device == "" {
		c.Device = hostname()
	}
	if *f.spool != "" && f.as.value == string(push.Multipart) {
		return c, usagef("--%sspool with --%sas multipart: an endless request confirms no single picture: send raw or form", f.prefix, f.prefix)
	}
	for _, line := range *f.header {
		name, value, err := push.ParseHeader(line)
		if err != nil {
			return c, usagef("--%sheader %q: %w", f.prefix, line, err)
		}
		c.Header.Add(name, value)
	}
	return c, nil
}

// pushFlags are the flags of push.
type pushFlags struct {
	*sourceFlags
	*targetFlags
	*logFlags
	flags   *pflag.FlagSet
	every   *time.Duration
	rare    time.Duration // interval between a source's pictures if longer than its lowest frame rate allows, otherwise 0
	count   rangeValue
	field   *string
	format  *choiceValue
	timeout *time.Duration
	retry   *time.Duration
}

func addPushFlags(flags *pflag.FlagSet) *pushFlags {
	p := &pushFlags{flags: flags, count: rangeValue{0, 0, 1 << 30}, format: choice("jpeg", "png")}
	p.every = flags.Duration("every", time.Second, "time between pictures (or use --fps). FILEs are sent without a pause unless it is given")
	flags.Var(&p.count, "count", "stop after this many pictures; 0: never, or after the last FILE")
	flags.Var(p.format, "format", "format to send; PNG is lossless, and slow. FILEs are sent as they are unless it is given")
	p.field = flags.String("field", "file", "form field `NAME` for the picture")
	p.timeout = flags.Duration("timeout", 30*time.Second, "abandon an attempt after this long without progress")
	p.retry = flags.Duration("retry", 30*time.Second, "retry for this long while the server is unreachable or busy; 0: don't.\nDefault for pictures of a source "+
		"without --count: forever")
	p.targetFlags = addTargetFlags(flags, "", "")
	p.sourceFlags = addSourceFlags(flags)
	p.logFlags = addLogFlags(flags)
	p.level.value, flags.Lookup("log-level").DefValue = "warn", "warn" // each picture's result is printed anyway
	return p
}

// check rejects contradictory flags and determines the frame rate.
func (p *pushFlags) check(files bool) error {
	paced := p.flags.Changed("every")
	switch {
	case paced && p.flags.Changed("fps"):
		return usagef("--every and --fps are mutually exclusive")
	case *p.every < 0 || (*p.every == 0 && !files):
		return usagef("--every %v: must be more than 0", *p.every)
	case *p.timeout <= 0:
		return usagef("--timeout %v: must be more than 0", *p.timeout)
	case *p.retry < 0:
		return usagef("--retry %v: must not be negative", *p.retry)
	case files && p.flags.Changed("source"):
		return usagef("--source %s and FILEs are mutually exclusive", *p.source)
	}
	switch {
	case files && p.flags.Changed("fps"):
		*p.every = pace.Duration(1 / float64(p.fps))
	case files && !paced:
		*p.every = 0
	case !files && !p.flags.Changed("fps"):
		p.paced = true
		p.fps = fpsValue(float64(time.Second) / float64(*p.every))
		switch {
		case float64(p.fps) < pace.MinFPS && p.format.value == "png":
			return usagef("--every %v: at most %v with --format png", *p.every, pace.Longest)
		case float64(p.fps) < pace.MinFPS: // too slow for a source: wake it for each picture
			p.fps, p.rare = 1, *p.every
		case p.fps > maxFPS:
			return usagef("--every %v: at most %d pictures per second", *p.every, maxFPS)
		}
	}
	if p.format.value == "png" && !files {
		if *p.mirror || *p.flip || p.rotate.value != "0" || *p.overlay != "" {
			return usagef("--format png sends pictures unchanged: without --mirror, --flip, --rotate and --overlay")
		}
	}
	return p.sourceFlags.check()
}

// pusherConfig returns the complete configuration.
func (p *pushFlags) pusherConfig(url string, files bool, log *zap.Logger) (push.Config, error) {
	c, err := p.config(url, log)
	if err != nil {
		return c, err
	}
	c.Field, c.Timeout, c.Count = *p.field, *p.timeout, p.count.value
	switch {
	case *p.retry == 0:
		c.Retry = -1
	case p.flags.Changed("retry") || files || p.count.value > 0:
		c.Retry = *p.retry
	}
	return c, nil
}
