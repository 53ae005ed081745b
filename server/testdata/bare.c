// The least that serving a stream takes, for the benchmarks: one thread, one epoll, a timer, one writev of head and picture for each
// frame and viewer, from memory that holds the pictures already.
// bare VIEWERS SIZE FPS: prints its address, serves the first VIEWERS connections, answers each line on standard input with the CPU time
// used so far in nanoseconds, ends with it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { pictures = 8, timer = -1, input = -2 };

struct viewer {
	int fd;
	size_t left;
};

static void send_to(struct viewer *v, const struct iovec iov[3]) {
	ssize_t n = writev(v->fd, iov, 3);
	// A viewer that does not keep up would get a torn stream: it is not what is measured.
	if (n > 0)
		v->left -= (size_t)n < v->left ? (size_t)n : v->left;
}

int main(int argc, char **argv) {
	if (argc != 4)
		return 2;
	int viewers = atoi(argv[1]), fps = atoi(argv[3]);
	size_t size = strtoul(argv[2], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof a;
	if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 4096) || getsockname(l, (struct sockaddr *)&a, &length))
		return 1;
	printf("127.0.0.1:%d\n", ntohs(a.sin_port));
	fflush(stdout);
	char *memory = malloc(size * pictures);
	for (size_t done = 0; done < size * pictures;) {
		ssize_t n = getrandom(memory + done, size * pictures - done, 0);
		if (n < 0)
			return 1;
		done += (size_t)n;
	}
	int epoll = epoll_create1(0), clock = timerfd_create(CLOCK_MONOTONIC, 0);
	struct viewer *v = calloc((size_t)viewers, sizeof *v);
	for (int i = 0; i < viewers; i++) {
		static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n--frame\r\n";
		char request[4096];
		int one = 1;
		v[i].fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
		setsockopt(v[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct pollfd p = {.fd = v[i].fd, .events = POLLIN};
		poll(&p, 1, 5000);
		if (read(v[i].fd, request, sizeof request) <= 0 || write(v[i].fd, head, sizeof head - 1) < 0)
			return 1;
		struct epoll_event e = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = i};
		epoll_ctl(epoll, EPOLL_CTL_ADD, v[i].fd, &e);
	}
	struct epoll_event e = {.events = EPOLLIN, .data.fd = timer};
	epoll_ctl(epoll, EPOLL_CTL_ADD, clock, &e);
	e.data.fd = input;
	epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &e);
	struct timespec period = {.tv_nsec = 1000000000L / fps};
	timerfd_settime(clock, 0, &(struct itimerspec){period, period}, NULL);
	struct iovec iov[3] = {{0}, {0}, {"\r\n--frame\r\n", 11}};
	char head[256];
	for (unsigned long sequence = 1;;) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == input) {
				char line[64];
				if (read(0, line, sizeof line) <= 0)
					return 0;
				struct rusage u;
				getrusage(RUSAGE_SELF, &u);
				printf("%lld\n", (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL);
				fflush(stdout);
			} else if (events[i].data.fd == timer) {
				uint64_t expired;
				if (read(clock, &expired, sizeof expired) < 0)
					return 1;
				struct timespec now;
				clock_gettime(CLOCK_REALTIME, &now);
				iov[0].iov_base = head;
				iov[0].iov_len = (size_t)snprintf(head, sizeof head,
					"Content-Type: image/jpeg\r\nContent-Length: %zu\r\nX-Timestamp: %lld.%06ld\r\nX-Sequence: %lu\r\n\r\n", size,
					(long long)now.tv_sec, now.tv_nsec / 1000, sequence);
				iov[1] = (struct iovec){memory + sequence++ % pictures * size, size};
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
}
