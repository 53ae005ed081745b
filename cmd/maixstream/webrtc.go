//go:build !nowebrtc

package main

import (
	"errors"
	"syscall"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/whep"
)

// webrtcFlags say how media reach browsers by WebRTC.
type webrtcFlags struct {
	flags   *pflag.FlagSet
	address *string
	hosts   *[]string
	server  *whep.Server
	taken   error // the default port is another program's
}

const webrtcAddress = ":8189"

func addWebRTCFlags(flags *pflag.FlagSet) *webrtcFlags {
	return &webrtcFlags{
		flags:   flags,
		address: flags.String("webrtc", webrtcAddress, "exchange WebRTC media at this `ADDRESS`, by UDP and TCP; \"\": no WebRTC"),
		hosts:   flags.StringSlice("webrtc-host", nil, "`IP` addresses at which viewers reach this machine besides its own, such as a router's that forwards the port"),
	}
}

// start opens the port. The default steps back for a program that has it already; one that was asked for does not.
func (w *webrtcFlags) start(s *serveFlags, log *zap.Logger) (stream.WebRTC, error) {
	if *w.address == "" || s.video.h264.value == "off" {
		return nil, nil
	}
	sessions := 0 // the package's own limit
	if smallMachine() {
		sessions = 8
	}
	server, err := whep.New(whep.Config{Address: *w.address, Hosts: *w.hosts, MaxSessions: sessions, Log: log})
	switch {
	case err == nil:
		w.server = server
		return server, nil
	case errors.Is(err, syscall.EADDRINUSE) && !w.flags.Changed("webrtc"):
		w.taken = err
		return nil, nil
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES):
		return nil, err
	}
	return nil, usagef("--webrtc: %w", err)
}

// explain says why there is no WebRTC, once the rest has started.
func (w *webrtcFlags) explain(log *zap.Logger) {
	if w.taken != nil {
		log.Warn("no WebRTC: another program uses its port", zap.Error(w.taken))
	}
}

func (w *webrtcFlags) close() {
	if w.server != nil {
		_ = w.server.Close() // its sockets are closed whatever it says
	}
}
