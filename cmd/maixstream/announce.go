package main

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"sync"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/discover"
	"github.com/maixstream/maixstream/server/web"
)

// announce makes the streams found by itself on the local network, unless nobody there could reach them. The returned function
// withdraws and waits.
func (s *serveFlags) announce(ctx context.Context, shell *web.Server, log *zap.Logger) (withdraw func()) {
	services := s.services(shell.URLs())
	if !*s.announced || len(services) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := discover.Announce(ctx, services...); err != nil {
			log.Warn("not announced on the network", zap.Error(err))
		}
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

func (s *serveFlags) services(urls []string) []discover.Service {
	var list []discover.Service
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "localhost" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Port() == "" {
			continue
		}
		port, _ := strconv.Atoi(u.Port())
		list = append(list, discover.Service{Type: discover.HTTP, Port: port, TLS: u.Scheme == "https", Version: thisProgram().version})
		break
	}
	for _, address := range []*string{s.rtsp, s.rtsps} {
		host, portText, err := net.SplitHostPort(*address)
		if err != nil {
			continue
		}
		port, _ := strconv.Atoi(portText)
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			list = append(list, discover.Service{Type: discover.RTSP, Port: port, TLS: address == s.rtsps, Version: thisProgram().version})
		}
	}
	return list
}
