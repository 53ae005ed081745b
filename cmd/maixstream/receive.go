package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/server/upload"
	"github.com/maixstream/maixstream/server/web"
)

const receiveAddress = ":8080"

// receiveFlags are the flags of receive.
type receiveFlags struct {
	*logFlags
	flags        *pflag.FlagSet
	listen       *[]string
	unix         *string
	dir          *string
	keep         *time.Duration
	maxBytes     bytesValue
	maxUpload    bytesValue
	maxPixels    rangeValue
	maxDevices   rangeValue
	maxUploads   rangeValue
	perAddress   rangeValue
	perDevice    rangeValue
	maxClients   rangeValue
	sync         *bool
	guard        *guardFlags
	stallTimeout *time.Duration
	report       *time.Duration
}

func setupReceive(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	r := addReceiveFlags(flags)
	return func(ctx context.Context, _ []string, t terminal) error {
		if err := r.check(); err != nil {
			return err
		}
		return r.receive(ctx, t)
	}
}

func addReceiveFlags(flags *pflag.FlagSet) *receiveFlags {
	r := &receiveFlags{
		flags: flags, maxBytes: 10 << 30, maxUpload: 20 << 20, maxPixels: rangeValue{40_000_000, 1, frame.MaxDimension * frame.MaxDimension},
		maxDevices: rangeValue{1000, 1, 1_000_000}, maxUploads: rangeValue{1000, 1, 1_000_000},
		perAddress: rangeValue{0, 0, 1_000_000}, perDevice: rangeValue{64, 1, 1_000_000}, maxClients: rangeValue{0, 0, 100000},
	}
	r.listen = flags.StringSlice("listen", []string{receiveAddress}, "`ADDRESS`es to listen on, host:port; \"\" with --unix: none")
	r.unix = flags.String("unix", "", "also listen on the Unix socket `PATH`")
	r.dir = flags.StringP("dir", "d", "pictures", "keep pictures in this `DIR`, as DEVICE/2026-11-22/HHMMSS.mmm-SEQ.jpg (UTC)")
	r.keep = flags.Duration("keep", 24*time.Hour, "delete pictures older than this; 0: never")
	flags.Var(&r.maxBytes, "max-bytes", "delete pictures above this total on the disk, the oldest of devices over their share first; 0: no limit")
	flags.Var(&r.maxUpload, "max-upload", "maximum size of a picture")
	flags.Var(&r.maxPixels, "max-pixels", "maximum number of pixels in a picture, width x height")
	flags.Var(&r.maxDevices, "max-devices", "maximum number of devices")
	flags.Var(&r.maxUploads, "max-uploads", "maximum concurrent uploads, endless ones included")
	flags.Var(&r.perAddress, "max-uploads-per-address", "maximum concurrent uploads per address; 0: half of --max-uploads")
	flags.Var(&r.perDevice, "max-uploads-per-device", "maximum concurrent uploads per device; a new one closes the longest idle")
	flags.Var(&r.maxClients, "max-clients", "maximum concurrent viewers of live pictures and the gallery; 0: unlimited")
	r.sync = flags.Bool("sync", false, "sync each picture to disk before confirming it")
	r.guard = addGuardFlags(flags, "read and post pictures")
	r.stallTimeout = flags.Duration("stall-timeout", 10*time.Second, "close connections that are idle for this long")
	r.report = flags.Duration("report", 10*time.Second, "print a summary this often; 0: never")
	r.logFlags = addLogFlags(flags)
	return r
}

// check rejects contradictory flags before anything is opened.
func (r *receiveFlags) check() error {
	for i := range *r.listen {
		(*r.listen)[i] = listenAddress((*r.listen)[i])
	}
	switch {
	case *r.dir == "":
		return usagef("--dir must not be empty")
	case *r.keep < 0:
		return usagef("--keep %v: must not be negative", *r.keep)
	case r.maxUpload < 1 || r.maxUpload > 1<<30:
		return usagef("--max-upload %s: 1B to 1GiB", r.maxUpload.String())
	case r.maxBytes > 0 && r.maxBytes < r.maxUpload:
		return usagef("--max-bytes %s: must be at least --max-upload (%s)", r.maxBytes.String(), r.maxUpload.String())
	case *r.stallTimeout <= 0:
		return usagef("--stall-timeout %v: must be more than 0", *r.stallTimeout)
	case *r.report < 0:
		return usagef("--report %v: must not be negative", *r.report)
	}
	return r.guard.check()
}

func (r *receiveFlags) config(log *zap.Logger) upload.Config {
	config := upload.Config{
		HTTP: web.Config{
			Listen: *r.listen, Unix: *r.unix, SocketActivation: os.Getenv("LISTEN_FDS") != "", MaxClients: r.maxClients.value, StallTimeout: *r.stallTimeout,
		},
		Dir: *r.dir, Keep: *r.keep, MaxBytes: int64(r.maxBytes), MaxUpload: int64(r.maxUpload), MaxPixels: r.maxPixels.value,
		MaxDevices: r.maxDevices.value, MaxUploads: r.maxUploads.value, MaxPerAddress: r.perAddress.value, MaxPerDevice: r.perDevice.value, Sync: *r.sync, Log: log,
	}
	r.guard.apply(&config.HTTP)
	if !r.flags.Changed("listen") { // systemd's sockets replace the default
		config.HTTP.Listen, config.HTTP.DefaultListen = nil, receiveAddress
	}
	return config
}

func (r *receiveFlags) receive(ctx context.Context, t terminal) error {
	outliveReaders()
	log := r.logger(t.err)
	limitMemory()
	server, err := upload.New(r.config(log))
	if err != nil {
		return usageError{err}
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if err := server.Close(closing); err != nil {
			log.Warn("closing the server", zap.Error(err))
		}
	}()
	for _, url := range server.URLs() {
		fmt.Fprintln(t.out, url)
	}
	(&reception{r, t, log, server}).run(ctx)
	return nil
}

// reception is a running receive.
type reception struct {
	flags    *receiveFlags // currently in force
	terminal terminal
	log      *zap.Logger
	server   *upload.Server
}

// run reports, and reloads on SIGHUP, until a signal ends it.
func (r *reception) run(ctx context.Context) {
	hangup, stop := hangups(r.terminal.in)
	defer stop()
	report := newReport(*r.flags.report)
	defer func() { report.Stop() }()
	r.notify(daemon.SdNotifyReady)
	defer r.notify(daemon.SdNotifyStopping)
	last, at := r.server.State(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-report.C:
			state := r.server.State()
			fmt.Fprintln(r.terminal.out, receiveLine(now, now.Sub(at).Seconds(), &last, &state))
			last, at = state, now
		case <-hangup:
			r.notify(reloading())
			r.reload()
			r.notify(daemon.SdNotifyReady)
			report.Stop()
			report = newReport(*r.flags.report)
		}
	}
}

// receiveLine summarizes what arrived within an interval in seconds, and what is stored.
func receiveLine(now time.Time, seconds float64, last, s *upload.State) string {
	return fmt.Sprintf("%s  %6.1f pictures/s  %.2f MB/s  %d duplicates  %d refused  %d devices  %d kept  %s", now.Format(time.TimeOnly),
		float64(s.Received-last.Received)/seconds, float64(s.ReceivedBytes-last.ReceivedBytes)/1e6/seconds, s.Duplicates-last.Duplicates,
		s.Refused+s.Cut+s.Full-last.Refused-last.Cut-last.Full, s.Devices, s.Pictures, humanize.IBytes(uint64(s.Bytes)))
}

// reload applies the current configuration as far as a running server can. Passwords, tokens and certificates are always read again.
// On an error everything stays unchanged.
func (r *reception) reload() {
	fresh, err := r.flags.again(r.terminal)
	if err == nil {
		err = r.server.Reload(fresh.config(r.log))
	}
	if err != nil {
		r.log.Error("reload refused; keeping the current configuration", zap.Error(err))
		return
	}
	*r.flags.report = *fresh.report
	if level, err := zapcore.ParseLevel(fresh.level.value); err == nil {
		r.flags.now.SetLevel(level)
	}
	r.log.Info("reloaded: passwords, tokens, certificates, --cors, --keep, --max-bytes, --max-devices, --max-clients, --report, --log-level")
}

// again rereads the command line, the environment and the configuration file from scratch.
func (r *receiveFlags) again(t terminal) (*receiveFlags, error) {
	flags := pflag.NewFlagSet(r.flags.Name(), pflag.ContinueOnError)
	fresh := addReceiveFlags(flags)
	if err := readAgain(flags, t); err != nil {
		return nil, err
	}
	return fresh, fresh.check()
}

// notify notifies the service manager, if there is one (sd_notify(3)).
func (r *reception) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.log.Warn("notifying the service manager failed", zap.String("state", state), zap.Error(err))
	}
}
