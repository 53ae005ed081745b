package discover

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/brutella/dnssd"

	"github.com/maixstream/maixstream/internal/netchange"
)

const (
	// settle is how long the interfaces must stay unchanged before they are used: addresses rarely come alone.
	settle = 500 * time.Millisecond
	// retryAfter is the delay after a failure other than a missing network.
	retryAfter = 10 * time.Second
)

// Announce announces services on the local network until ctx is done, withdraws them, and returns. It does not need a network to start: services are
// announced once there is one, and again whenever interfaces or addresses change. warn is called with the cause of the first failure in a row; nil disables it.
func Announce(ctx context.Context, warn func(error), services ...Service) {
	quiet()
	if warn == nil {
		warn = func(error) {}
	}
	changed := netchange.Watch(ctx)
	defer func() {
		for range changed { // until its goroutine has returned
		}
	}()
	failing := false
	for ctx.Err() == nil {
		now := interfaces()
		if now == "" {
			if !waitFor(ctx, changed, 0) {
				return
			}
			continue
		}
		err := respond(ctx, changed, now, services)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = false
			continue
		case !failing:
			failing = true
			warn(err)
		}
		if !waitFor(ctx, changed, retryAfter) {
			return
		}
	}
}

// respond announces and answers queries until ctx is done, the interfaces have changed, or it fails.
func respond(ctx context.Context, changed <-chan struct{}, now string, services []Service) error {
	responder, err := newResponder(services)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- responder.Respond(ctx) }()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("announce on the network: %w", err)
		case _, ok := <-changed:
			if ok && (!waitFor(ctx, nil, settle) || interfaces() == now) {
				continue
			}
			cancel()
			<-ended //nolint:errcheck // its context was cancelled
			return nil
		}
	}
}

func newResponder(services []Service) (dnssd.Responder, error) {
	responder, err := dnssd.NewResponder()
	if err != nil {
		return nil, fmt.Errorf("announce on the network: %w", err)
	}
	for _, s := range services {
		if s.Name == "" {
			s.Name = HostName()
		}
		text := map[string]string{mark: s.Version, "path": "/"}
		if s.TLS {
			text["tls"] = "1"
		}
		service, err := dnssd.NewService(dnssd.Config{Name: s.Name, Type: s.Type, Port: s.Port, Text: text})
		if err == nil {
			_, err = responder.Add(service)
		}
		if err != nil {
			return nil, fmt.Errorf("announce %s %q on the network: %w", s.Type, s.Name, err)
		}
	}
	return responder, nil
}

// interfaces describes the interfaces that other hosts can reach, with their addresses; "" if there are none.
func interfaces() string {
	var list []string
	for _, i := range dnssd.MulticastInterfaces() {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			list = append(list, fmt.Sprint(i.Index, i.Name, a))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// waitFor waits for a change, or at most for limit if it is positive. It returns false if ctx is done.
func waitFor(ctx context.Context, changed <-chan struct{}, most time.Duration) bool {
	var after <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-after:
	}
	return ctx.Err() == nil
}
