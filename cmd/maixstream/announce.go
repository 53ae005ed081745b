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

// announce publishes the streams on the local network unless only this machine can reach them. The returned function withdraws them and waits.
func (s *serveFlags) announce(ctx context.Context, shell *web.Server, log *zap.Logger) (withdraw func()) {
	services := s.services(shell.URLs())
	if !*s.announced || len(services) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		discover.Announce(ctx, func(err error) { log.Warn("announcing on the network failed; retrying", zap.Error(err)) }, services...)
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

// services returns what is served to other machines: on all addresses (their list of URLs ends with localhost, and holds nothing else without a network), or
// on one that others can reach.
func (s *serveFlags) services(urls []string) []discover.Service {
	var list []discover.Service
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
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
	// Two programs on one host need different names; each uses one name for all its services.
	for i := range list {
		if list[i].Name = *s.name; *s.name == "" {
			list[i].Name = discover.HostName() + ":" + strconv.Itoa(list[0].Port)
		}
	}
	return list
}
