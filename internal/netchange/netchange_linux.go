package netchange

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Watch tells, by the returned channel, that something about this machine's interfaces or addresses has changed: as the kernel says (rtnetlink(7)), and every
// minute in case it could not. The channel is closed after ctx has ended.
func Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		err = errors.Join(
			unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}),
			// A read ends by itself, so that the goroutine can.
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}))
		if err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		poll(ctx, changed, 5*time.Second)
		return changed
	}
	go func() {
		defer close(changed)
		defer unix.Close(fd)
		buffer, last := make([]byte, 64<<10), time.Now()
		for ctx.Err() == nil {
			n, _, err := unix.Recvfrom(fd, buffer, 0)
			// ENOBUFS: more was said than there was room for.
			if n > 0 || errors.Is(err, unix.ENOBUFS) || time.Since(last) > time.Minute {
				last = time.Now()
				tell(changed)
			}
		}
	}()
	return changed
}
