package netchange

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch signals on the returned channel that this machine's interfaces or addresses have changed since it was called: when the kernel reports it
// (rtnetlink(7)), and every minute in case a report was lost. The channel is closed once ctx is done.
func Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	// A non-blocking socket waits in the runtime's poller. A blocking read would hold one of the scheduler's processors for up to 10 ms each time, which
	// is all of them on a board with one core.
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR})
		if err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		poll(ctx, changed, 5*time.Second)
		return changed
	}
	reports := os.NewFile(uintptr(fd), "rtnetlink")
	stop := context.AfterFunc(ctx, func() { _ = reports.SetReadDeadline(time.Now()) })
	go func() {
		defer close(changed)
		defer reports.Close()
		defer stop()
		buffer := make([]byte, 64<<10)
		for {
			_ = reports.SetReadDeadline(time.Now().Add(time.Minute))
			if ctx.Err() != nil {
				return
			}
			switch _, err := reports.Read(buffer); {
			case ctx.Err() != nil:
				return
			case err == nil, errors.Is(err, unix.ENOBUFS), errors.Is(err, os.ErrDeadlineExceeded): // ENOBUFS: the socket's buffer overflowed
				tell(changed)
			default: // not known to happen; keep following the addresses
				tell(changed)
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Second):
				}
			}
		}
	}()
	return changed
}
