/*
 * A simulated webcam for a program started with LD_PRELOAD: /dev/video99 delivers the pictures of a file in turn, JPEGs as MJPEG, or packed
 * 4:2:2 with WEBCAM_FORMAT=YUYV.
 *   WEBCAM_PICTURES=FILE WEBCAM_FPS=30 WEBCAM_SIZE=1280x720 LD_PRELOAD=webcam.so program --device /dev/video99
 * FILE is what fanbench.WritePictures writes: each picture preceded by its length, 4 bytes, little-endian. The device is a timerfd, so select, poll and epoll
 * wait for it as for a real one. Buffers hold their pictures from the beginning: a frame costs no copy, as with a device that writes memory itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

enum { BUFFERS = 8, ROOM = 4 << 20 };

static const char path[] = "/dev/video99";
static int device = -1;
static unsigned width, height, buffers, head, tail, queue[BUFFERS + 1];
static uint32_t sequence, sizes[BUFFERS];
static struct {
	uint8_t *bytes;
	uint32_t size;
} pictures[BUFFERS];
static unsigned count;

static int packed(void)
{
	const char *format = getenv("WEBCAM_FORMAT");

	return format && strcmp(format, "YUYV") == 0;
}

static int load(void)
{
	const char *file = getenv("WEBCAM_PICTURES"), *size = getenv("WEBCAM_SIZE");
	FILE *f = file ? fopen(file, "rb") : NULL;
	uint32_t n;

	if (!f || !size || sscanf(size, "%ux%u", &width, &height) != 2)
		return -1;
	while (count < BUFFERS && fread(&n, sizeof(n), 1, f) == 1 && n <= ROOM) {
		pictures[count].bytes = malloc(n);
		pictures[count].size = n;
		if (!pictures[count].bytes || fread(pictures[count].bytes, 1, n, f) != n)
			break;
		count++;
	}
	fclose(f);
	return count ? 0 : -1;
}

static int open_device(void)
{
	if (count == 0 && load() < 0) {
		errno = ENODEV;
		return -1;
	}
	return device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
}

static void run(int on)
{
	const char *fps = getenv("WEBCAM_FPS");
	long ns = 1000000000L / (fps && atoi(fps) > 1 ? atoi(fps) : 30);
	struct itimerspec t = {{0, on ? ns : 0}, {0, on ? ns : 0}};

	timerfd_settime(device, 0, &t, NULL);
}

static int fill(struct v4l2_buffer *b, unsigned index)
{
	if (index >= buffers) {
		errno = EINVAL;
		return -1;
	}
	b->index = index;
	b->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	b->memory = V4L2_MEMORY_MMAP;
	b->length = ROOM;
	b->m.offset = index * ROOM;
	return 0;
}

static int dequeue(struct v4l2_buffer *b)
{
	uint64_t ticks;
	struct timespec now;

	if (read(device, &ticks, sizeof(ticks)) != sizeof(ticks))
		return -1;      /* EAGAIN */
	if (head == tail) { /* the program holds all buffers: drop the picture */
		errno = EAGAIN;
		return -1;
	}
	fill(b, queue[head]);
	head = (head + 1) % (BUFFERS + 1);
	b->bytesused = sizes[b->index];
	b->sequence = sequence++;
	b->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_DONE;
	clock_gettime(CLOCK_MONOTONIC, &now);
	b->timestamp.tv_sec = now.tv_sec;
	b->timestamp.tv_usec = now.tv_nsec / 1000;
	return 0;
}

static int control(unsigned long request, void *arg)
{
	switch (request) {
	case VIDIOC_QUERYCAP: {
		struct v4l2_capability *c = arg;

		memset(c, 0, sizeof(*c));
		strcpy((char *)c->driver, "none");
		strcpy((char *)c->card, "webcam of a file");
		c->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
		c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
		return 0;
	}
	case VIDIOC_S_INPUT:
	case VIDIOC_G_JPEGCOMP:
	case VIDIOC_S_JPEGCOMP: return 0;
	case VIDIOC_G_FMT:
	case VIDIOC_TRY_FMT:
	case VIDIOC_S_FMT: {
		struct v4l2_format *f = arg;

		f->fmt.pix.width = width;
		f->fmt.pix.height = height;
		if (packed())
			f->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
		else if (request == VIDIOC_G_FMT || f->fmt.pix.pixelformat != V4L2_PIX_FMT_JPEG)
			f->fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
		f->fmt.pix.field = V4L2_FIELD_NONE;
		f->fmt.pix.bytesperline = packed() ? 2 * width : 0;
		f->fmt.pix.sizeimage = ROOM;
		return 0;
	}
	case VIDIOC_G_PARM:
	case VIDIOC_S_PARM: {
		struct v4l2_streamparm *p = arg;

		p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
		p->parm.capture.timeperframe = (struct v4l2_fract){1, 30};
		return 0;
	}
	case VIDIOC_REQBUFS: {
		struct v4l2_requestbuffers *r = arg;

		if (r->memory != V4L2_MEMORY_MMAP)
			break;
		r->count = buffers = r->count > BUFFERS ? BUFFERS : r->count;
		head = tail = 0;
		return 0;
	}
	case VIDIOC_QUERYBUF: {
		struct v4l2_buffer *b = arg;

		return fill(b, b->index);
	}
	case VIDIOC_QBUF: {
		struct v4l2_buffer *b = arg;

		if (b->index >= buffers || (tail + 1) % (BUFFERS + 1) == head)
			break;
		queue[tail] = b->index;
		tail = (tail + 1) % (BUFFERS + 1);
		return 0;
	}
	case VIDIOC_DQBUF: return dequeue(arg);
	case VIDIOC_STREAMON: run(1); return 0;
	case VIDIOC_STREAMOFF:
		run(0);
		head = tail = 0;
		return 0;
	}
	errno = EINVAL;
	return -1;
}

/* Interposed functions. */

static int opened(const char *name, int flags, mode_t mode)
{
	static int (*next)(const char *, int, ...);

	if (strcmp(name, path) == 0)
		return open_device();
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "open64");
	return next(name, flags, mode);
}

#define OPEN(function) \
	int function(const char *name, int flags, ...) \
	{ \
		va_list list; \
		mode_t mode = 0; \
\
		va_start(list, flags); \
		if (flags & (O_CREAT | O_TMPFILE)) \
			mode = va_arg(list, mode_t); \
		va_end(list); \
		return opened(name, flags, mode); \
	}

OPEN(open)
OPEN(open64)

int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __open_2(const char *name, int flags) { return opened(name, flags, 0); }
int __open64_2(const char *name, int flags) { return opened(name, flags, 0); }

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int, unsigned long, void *);
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	if (fd == device && fd >= 0)
		return control(request & 0xFFFFFFFF, arg);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ioctl");
	return next(fd, request, arg);
}

static void *mapped(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	static void *(*next)(void *, size_t, int, int, int, off_t);
	void *m;
	unsigned i;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "mmap");
	if (fd != device || fd < 0)
		return next(address, length, protection, flags, fd, offset);
	m = next(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	i = (unsigned)(offset / ROOM);
	if (m != MAP_FAILED && i < BUFFERS) {
		sizes[i] = pictures[i % count].size;
		memcpy(m, pictures[i % count].bytes, sizes[i]);
	}
	return m;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return mapped(address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return mapped(address, length, protection, flags, fd, offset);
}

/* Programs check first whether the device exists. */
int access(const char *name, int mode)
{
	static int (*next)(const char *, int);

	if (strcmp(name, path) == 0)
		return 0;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "access");
	return next(name, mode);
}
