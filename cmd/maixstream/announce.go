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

// announce makes the streams known on the local network, unless only this machine can reach them. The returned function withdraws and waits.
func (s *serveFlags) announce(ctx context.Context, shell *web.Server, log *zap.Logger) (withdraw func()) {
	services := s.services(shell.URLs())
	if !*s.announced || len(services) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		discover.Announce(ctx, func(err error) { log.Warn("not announced on the network; trying again", zap.Error(err)) }, services...)
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

// services are what is served to others: at all addresses, whose list of URLs ends with localhost and has no other while there is no network, or
// at one that others may reach.
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
	// Of two programs on one host each has a name of its own, the same for all that it serves.
	for i := range list {
		if list[i].Name = *s.name; *s.name == "" {
			list[i].Name = discover.HostName() + ":" + strconv.Itoa(list[0].Port)
		}
	}
	return list
}
