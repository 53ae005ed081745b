package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/rtsp"
	"github.com/maixstream/maixstream/server/web"
)

// media are serve's RTSP and RTSPS servers.
type media struct {
	servers atomic.Pointer[[]*rtsp.Server]
}

// start starts the servers that the flags ask for, with the access rules of web and, for RTSPS, its certificate.
func (m *media) start(s *serveFlags, feed rtsp.Feed, web *web.Server, log *zap.Logger) error {
	config := rtsp.Config{
		Feed: feed, Allow: web.Allow, MaxReaders: s.maxClients.value, StallTimeout: *s.stallTimeout, Log: log,
	}
	if smallMachine() {
		config.QueueBytes, config.MaxConns, config.MaxPerAddress = 2<<20, 32, 16
	}
	var running []*rtsp.Server
	defer func() { m.servers.Store(&running) }()
	for _, address := range []*string{s.rtsp, s.rtsps} {
		if *address == "" {
			continue
		}
		one := config
		one.Address = *address
		if address == s.rtsps {
			one.TLS = web.TLS()
		}
		started, err := rtsp.Start(one)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w: another program serves there already; choose another port with --rtsp or --rtsps", err)
		}
		if err != nil {
			return err
		}
		running = append(running, started)
	}
	if *s.rtsp != "" && *s.guard.tlsCert != "" {
		log.Warn("RTSP is not encrypted: pictures and passwords are readable on the network; use RTSPS (--rtsps :8322)", zap.String("address", *s.rtsp))
	}
	return nil
}

func (m *media) list() []*rtsp.Server {
	if list := m.servers.Load(); list != nil {
		return *list
	}
	return nil
}

// state returns their part of /state.
func (m *media) state() []rtsp.State {
	var list []rtsp.State
	for _, s := range m.list() {
		list = append(list, s.State())
	}
	return list
}

func (m *media) setMaxReaders(n int) {
	for _, s := range m.list() {
		s.SetMaxReaders(n)
	}
}

func (m *media) close() {
	for _, s := range m.list() {
		s.Close()
	}
}
