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
	// settle is how long the interfaces must stay as they are before they are used: an address seldom comes alone.
	settle = 500 * time.Millisecond
	// retryAfter is the wait after an attempt that failed for another reason than a missing network.
	retryAfter = 10 * time.Second
)

// Announce tells the local network of services until ctx ends, and returns when they are withdrawn. There need not be a network: services are
// announced when one comes, and again whenever interfaces or addresses change. warn is told, once in a row, why that fails; nil: nobody is.
func Announce(ctx context.Context, warn func(error), services ...Service) {
	quiet()
	if warn == nil {
		warn = func(error) {}
	}
	changed := netchange.Watch(ctx)
	defer func() {
		for range changed { // until its goroutine has ended
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

// respond announces and answers until ctx ends, the interfaces are no longer those of now, or it fails.
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
			<-ended //nolint:errcheck // its context was ended
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

// interfaces describes those that other hosts can be reached by, and their addresses; "" when there are none.
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

// waitFor waits for a change, or for a time where one is given; false: ctx has ended.
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
