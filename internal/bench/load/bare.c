#define _GNU_SOURCE
#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { TIMER = -1, INPUT = -2 };

struct viewer {
	int fd;
	size_t left;
};

static void send_to(struct viewer *v, const struct iovec iov[3])
{
	ssize_t n = writev(v->fd, iov, 3);

	/* A viewer that falls behind gets a torn stream, and reports it: that case is not measured. */
	if (n > 0)
		v->left -= (size_t)n < v->left ? (size_t)n : v->left;
}

/* Accepts one connection, reads its request and replies with a stream's first bytes. */
static int welcome(int l)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n--frame\r\n";
	struct pollfd p = {.fd = l, .events = POLLIN};
	char request[4096];
	int fd, one = 1;

	if (poll(&p, 1, 30000) != 1)
		return -1;
	fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p.fd = fd;
	if (poll(&p, 1, 5000) != 1 || read(fd, request, sizeof(request)) <= 0 || write(fd, head, sizeof(head) - 1) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void answer(unsigned long frames)
{
	printf("{\"Published\":%lu}\n", frames);
	fflush(stdout);
}

int mx_bare(int l, int viewers, int fps, const uint8_t *memory, const size_t *starts, const size_t *sizes, int count, const char **what)
{
	struct viewer *v = calloc((size_t)viewers, sizeof(*v));
	int epoll = epoll_create1(EPOLL_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), failed = 0, connected = 0;
	struct timespec period = {.tv_sec = fps == 1, .tv_nsec = fps == 1 ? 0 : 1000000000L / fps};
	struct itimerspec timer = {period, period};
	struct iovec iov[3] = {{0}, {0}, {"\r\n--frame\r\n", 11}};
	struct epoll_event e;
	char head[256];

	*what = "memory or descriptors";
	if (!v || epoll < 0 || clock < 0)
		goto out;
	*what = "a viewer's connection";
	for (; connected < viewers; connected++) {
		int fd = welcome(l);

		if (fd < 0)
			goto out;
		v[connected].fd = fd;
		e = (struct epoll_event){.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = connected};
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	}
	*what = "epoll";
	e = (struct epoll_event){.events = EPOLLIN, .data.fd = TIMER};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, clock, &e))
		goto out;
	e.data.fd = INPUT;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) || timerfd_settime(clock, 0, &timer, NULL))
		goto out;
	for (unsigned long sequence = 1;;) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll, events, 256, -1);

		if (n < 0 && errno != EINTR)
			goto out;
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == INPUT) {
				char line[64];

				if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
					errno = 0;
					goto out;
				}
				answer(sequence - 1);
			} else if (events[i].data.fd == TIMER) {
				uint64_t expired;
				struct timespec now;
				int k = (int)(sequence % (unsigned)count);

				if (read(clock, &expired, sizeof(expired)) < 0)
					goto out;
				clock_gettime(CLOCK_REALTIME, &now);
				iov[0].iov_base = head;
				iov[0].iov_len = (size_t)snprintf(head, sizeof(head),
					"Content-Type: image/jpeg\r\nContent-Length: %zu\r\nX-Timestamp: %lld.%06ld\r\nX-Sequence: %lu\r\n\r\n", sizes[k],
					(long long)now.tv_sec, now.tv_nsec / 1000, sequence++);
				iov[1] = (struct iovec){(void *)(uintptr_t)(memory + starts[k]), sizes[k]};
				for (int j = 0; j < viewers; j++)
					if (v[j].left == 0) {
						v[j].left = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
						send_to(&v[j], iov);
					}
			} else if (v[events[i].data.fd].left > 0) {
				send_to(&v[events[i].data.fd], iov);
			}
		}
	}
out:
	failed = errno;
	for (int i = 0; i < connected; i++)
		close(v[i].fd);
	if (epoll >= 0)
		close(epoll);
	if (clock >= 0)
		close(clock);
	free(v);
	return failed;
}
