package main

import (
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/push"
)

// targetFlags say how pictures go to a server; push and serve share them.
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

// addTargetFlags adds them, each name with a prefix, and each text with a beginning that says whose they are.
func addTargetFlags(flags *pflag.FlagSet, prefix, whose string) *targetFlags {
	f := &targetFlags{prefix: prefix, as: choice("raw", "form", "multipart"), method: choice(http.MethodPost, http.MethodPut, http.MethodPatch), spoolMax: 256 << 20}
	flags.Var(f.as, prefix+"as", whose+"how pictures travel: each the body of a request, each a file in a form, or all parts of one request without end")
	flags.Var(f.method, prefix+"method", whose+"what the server wants; PUT to a URL whose path ends in / appends a name, {name} puts it elsewhere")
	f.device = flags.String(prefix+"device", "", whose+"`NAME` by which the server knows this device (header X-Device); this machine's by default")
	f.header = flags.StringArray(prefix+"header", nil, whose+"one more `'NAME: VALUE'` in each request; any number")
	f.headerFile = flags.String(prefix+"header-file", "", whose+"more headers, NAME: VALUE, one per line of this `FILE`; for those that are secret")
	f.maxWait = flags.Duration(prefix+"max-retry-after", 5*time.Minute, whose+"the longest Retry-After of a busy server that is obeyed")
	f.spool = flags.String(prefix+"spool", "", whose+"keep every picture in this `DIR` until the server has it, also over restarts; without it the newest wins")
	flags.Var(&f.spoolMax, prefix+"spool-max", whose+"drop the oldest pictures of the spool above this size")
	f.caFile = flags.String(prefix+"ca-file", "", whose+"trust the certificates in this `FILE` (PEM), too")
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

// config makes a Pusher's configuration of the flags.
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
		return c, usagef("--%sspool with --%sas multipart: in one request without end no picture is known to have arrived: send raw or form", f.prefix, f.prefix)
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

// pushFlags are the flags of push alone.
type pushFlags struct {
	*sourceFlags
	*targetFlags
	*logFlags
	flags   *pflag.FlagSet
	every   *time.Duration
	count   rangeValue
	field   *string
	format  *choiceValue
	timeout *time.Duration
	retry   *time.Duration
}

func addPushFlags(flags *pflag.FlagSet) *pushFlags {
	p := &pushFlags{flags: flags, count: rangeValue{0, 0, 1 << 30}, format: choice("jpeg", "png")}
	p.every = flags.Duration("every", time.Second, "time between pictures; --fps says the same the other way round. FILEs go without a pause unless it is given")
	flags.Var(&p.count, "count", "end after so many pictures; 0: never, or behind the last FILE")
	flags.Var(p.format, "format", "what is sent; PNG is without loss, and slow. FILEs go as they are unless it is given")
	p.field = flags.String("field", "file", "the form's field for the picture, a `NAME`")
	p.timeout = flags.Duration("timeout", 30*time.Second, "give an attempt up after so long")
	p.retry = flags.Duration("retry", 30*time.Second, "try again for so long while the server is away or busy; 0: not at all.\nDefault for pictures of a source "+
		"without --count: for ever")
	p.targetFlags = addTargetFlags(flags, "", "")
	p.sourceFlags = addSourceFlags(flags)
	p.logFlags = addLogFlags(flags)
	p.level.value, flags.Lookup("log-level").DefValue = "warn", "warn" // it prints what becomes of each picture
	return p
}

// check reports flags that contradict each other, and settles the pace.
func (p *pushFlags) check(files bool) error {
	paced := p.flags.Changed("every")
	switch {
	case paced && p.flags.Changed("fps"):
		return usagef("--every and --fps say the same thing: one of them")
	case *p.every < 0 || (*p.every == 0 && !files):
		return usagef("--every %v: must be more than 0", *p.every)
	case *p.timeout <= 0:
		return usagef("--timeout %v: must be more than 0", *p.timeout)
	case *p.retry < 0:
		return usagef("--retry %v: must not be negative", *p.retry)
	case files && p.flags.Changed("source"):
		return usagef("--source %s and FILEs: one of them", *p.source)
	}
	switch {
	case files && p.flags.Changed("fps"):
		*p.every = time.Duration(float64(time.Second) / float64(p.fps))
	case files && !paced:
		*p.every = 0
	case !files && !p.flags.Changed("fps"):
		p.paced = true
		if p.fps = fpsValue(float64(time.Second) / float64(*p.every)); p.fps > maxFPS {
			return usagef("--every %v: at most %d pictures a second", *p.every, maxFPS)
		}
	}
	if p.format.value == "png" && !files {
		if *p.mirror || *p.flip || p.rotate.value != "0" || *p.overlay != "" {
			return usagef("--format png sends pictures as the source gives them: without --mirror, --flip, --rotate and --overlay")
		}
	}
	return p.sourceFlags.check()
}

// pusherConfig is the whole configuration.
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
