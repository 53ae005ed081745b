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

// webrtcFlags describe how WebRTC media reach browsers.
type webrtcFlags struct {
	flags     *pflag.FlagSet
	address   *string
	hosts     *[]string
	server    *whep.Server
	portInUse error // another program uses the default port
}

const webrtcAddress = ":8189"

func addWebRTCFlags(flags *pflag.FlagSet) *webrtcFlags {
	return &webrtcFlags{
		flags:   flags,
		address: flags.String("webrtc", webrtcAddress, "exchange WebRTC media on this `ADDRESS`, by UDP and TCP; \"\": no WebRTC"),
		hosts:   flags.StringSlice("webrtc-host", nil, "further `IP` addresses of this machine for viewers, such as a router's that forwards the port"),
	}
}

// start opens the port. The default is given up if another program uses it; a port given by flag is not.
func (w *webrtcFlags) start(s *serveFlags, log *zap.Logger) (stream.WebRTC, error) {
	if *w.address == "" || s.video.h264.value == "off" {
		return nil, nil
	}
	sessions := 0 // 0 selects the package's limit
	if smallMachine() {
		sessions = 8
	}
	server, err := whep.New(whep.Config{Address: *w.address, Hosts: *w.hosts, MaxSessions: sessions, Log: log})
	switch {
	case err == nil:
		w.server = server
		return server, nil
	case errors.Is(err, syscall.EADDRINUSE) && !w.flags.Changed("webrtc"):
		w.portInUse = err
		return nil, nil
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES):
		return nil, err
	}
	return nil, usagef("--webrtc: %w", err)
}

// explain logs why there is no WebRTC, after the rest has started.
func (w *webrtcFlags) explain(log *zap.Logger) {
	if w.portInUse != nil {
		log.Warn("WebRTC disabled: port in use by another program", zap.Error(w.portInUse))
	}
}

func (w *webrtcFlags) close() {
	if w.server != nil {
		_ = w.server.Close() // its sockets are closed regardless
	}
}
