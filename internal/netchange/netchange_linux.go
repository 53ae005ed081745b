package netchange

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Watch signals on the returned channel that this machine's interfaces or addresses have changed: when the kernel reports it (rtnetlink(7)), and every
// minute in case a report was lost. The channel is closed once ctx is done.
func Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		err = errors.Join(
			unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}),
			// Reads time out, so that the goroutine can return.
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
			// ENOBUFS: the socket's buffer overflowed.
			if n > 0 || errors.Is(err, unix.ENOBUFS) || time.Since(last) > time.Minute {
				last = time.Now()
				tell(changed)
			}
		}
	}()
	return changed
}
