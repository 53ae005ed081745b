package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/server"
	"github.com/maixstream/maixstream/server/upload"
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
	maxClients   rangeValue
	sync         *bool
	cors         *string
	authFile     *string
	tokenFile    *string
	tlsCert      *string
	tlsKey       *string
	stallTimeout *time.Duration
	report       *time.Duration
}

func setupReceive(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	r := &receiveFlags{
		flags: flags, maxBytes: 10 << 30, maxUpload: 20 << 20, maxPixels: rangeValue{40_000_000, 1, frame.MaxDimension * frame.MaxDimension},
		maxDevices: rangeValue{1000, 1, 1_000_000}, maxUploads: rangeValue{1000, 1, 1_000_000}, maxClients: rangeValue{0, 0, 100000},
	}
	r.listen = flags.StringSlice("listen", []string{receiveAddress}, "`ADDRESS`es to serve at, host:port; \"\" with --unix: none")
	r.unix = flags.String("unix", "", "serve at the Unix socket `PATH`, too")
	r.dir = flags.StringP("dir", "d", "pictures", "keep pictures in this `DIR`, as DEVICE/2026-11-22/HHMMSS.mmm-SEQ.jpg (UTC)")
	r.keep = flags.Duration("keep", 24*time.Hour, "delete pictures that are older; 0: never")
	flags.Var(&r.maxBytes, "max-bytes", "delete the oldest pictures above this total on the disk; 0: no limit")
	flags.Var(&r.maxUpload, "max-upload", "the largest picture")
	flags.Var(&r.maxPixels, "max-pixels", "the largest picture, width x height")
	flags.Var(&r.maxDevices, "max-devices", "devices at most")
	flags.Var(&r.maxUploads, "max-uploads", "uploads at once, endless ones too")
	flags.Var(&r.maxClients, "max-clients", "viewers of live pictures and of the gallery at once; 0: no limit")
	r.sync = flags.Bool("sync", false, "write each picture through to the disk before the sender is told that it is kept")
	r.cors = flags.String("cors", "", "let pages of this `ORIGIN` read and post pictures; * for all")
	r.authFile = flags.String("auth-file", "", "ask for a user and password from this `FILE` of user:bcrypt lines (htpasswd -B)")
	r.tokenFile = flags.String("token-file", "", "let in whoever has a token from this `FILE` (a token a line): Authorization: Bearer, or ?token=")
	r.tlsCert = flags.String("tls-cert", "", "serve HTTPS with this certificate `FILE` (PEM)")
	r.tlsKey = flags.String("tls-key", "", "the certificate's key `FILE` (PEM)")
	r.stallTimeout = flags.Duration("stall-timeout", 10*time.Second, "close a connection on which nothing moves for so long")
	r.report = flags.Duration("report", 10*time.Second, "print what came in so often; 0: never")
	r.logFlags = addLogFlags(flags)
	return func(ctx context.Context, _ []string, t terminal) error {
		if err := r.check(); err != nil {
			return err
		}
		return r.receive(ctx, t)
	}
}

// check reports flags that contradict each other, before anything is opened.
func (r *receiveFlags) check() error {
	switch {
	case *r.dir == "":
		return usagef("--dir: where pictures are to be kept")
	case *r.keep < 0:
		return usagef("--keep %v: must not be negative", *r.keep)
	case r.maxUpload < 1 || r.maxUpload > 1<<30:
		return usagef("--max-upload %s: 1B to 1GiB", r.maxUpload.String())
	case r.maxBytes > 0 && r.maxBytes < r.maxUpload:
		return usagef("--max-bytes %s: less than one picture may have (--max-upload %s)", r.maxBytes.String(), r.maxUpload.String())
	case *r.stallTimeout <= 0:
		return usagef("--stall-timeout %v: must be more than 0", *r.stallTimeout)
	case *r.report < 0:
		return usagef("--report %v: must not be negative", *r.report)
	}
	return nil
}

func (r *receiveFlags) receive(ctx context.Context, t terminal) error {
	log := r.logger(t.err)
	limitMemory()
	config := upload.Config{
		HTTP: server.Config{
			Listen: *r.listen, Unix: *r.unix, SocketActivation: true, MaxClients: r.maxClients.value, StallTimeout: *r.stallTimeout,
			CORS: *r.cors, AuthFile: *r.authFile, TokenFile: *r.tokenFile, TLSCert: *r.tlsCert, TLSKey: *r.tlsKey, Version: version,
		},
		Dir: *r.dir, Keep: *r.keep, MaxBytes: int64(r.maxBytes), MaxUpload: int64(r.maxUpload), MaxPixels: r.maxPixels.value,
		MaxDevices: r.maxDevices.value, MaxUploads: r.maxUploads.value, Sync: *r.sync, Log: log,
	}
	if !r.flags.Changed("listen") { // the default steps back for systemd's sockets
		config.HTTP.Listen, config.HTTP.DefaultListen = nil, receiveAddress
	}
	web, err := upload.New(config)
	if err != nil {
		return usageError{err}
	}
	if err := web.Start(); err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if err := web.Close(closing); err != nil {
			log.Warn("closing the server", zap.Error(err))
		}
	}()
	for _, url := range web.URLs() {
		fmt.Fprintln(t.out, url)
	}
	r.reportUntilEnd(ctx, t, web)
	return nil
}

// reportUntilEnd prints a line now and then, until a signal comes.
func (r *receiveFlags) reportUntilEnd(ctx context.Context, t terminal, web *upload.Server) {
	var tick <-chan time.Time
	if *r.report > 0 {
		ticker := time.NewTicker(*r.report)
		defer ticker.Stop()
		tick = ticker.C
	}
	last, at := web.State(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick:
			s := web.State()
			seconds := now.Sub(at).Seconds()
			fmt.Fprintf(t.out, "%s  %6.1f pictures/s  %.2f MB/s  %d refused  %d devices  %d kept  %s\n", now.Format(time.TimeOnly),
				float64(s.Received-last.Received)/seconds, float64(s.ReceivedBytes-last.ReceivedBytes)/1e6/seconds,
				s.Refused-last.Refused, s.Devices, s.Pictures, humanize.IBytes(uint64(s.Bytes)))
			last, at = s, now
		}
	}
}
