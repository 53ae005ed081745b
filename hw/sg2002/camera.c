#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bringup.h"
#include "encoder.h"
#include "output.h"
#include "overlay.h"
#include "picture.h"
#include "raw.h"
#include "tone.h"
#include "video.h"

/* The vendor's code runs on this thread, and musl's default stack is only 128 KiB. */
#define STACK_SIZE (1 << 20)

static int perform(struct camera *c)
{
	switch (c->op) {
	case CAMERA_UP: return camera_up(c);
	case CAMERA_DOWN: camera_down(c); return CAMERA_OK;
	case CAMERA_JPEG: return venc_picture(c);
	case CAMERA_STILL: return still_picture(c);
	case CAMERA_OUTPUT: {
		overlay_down(c);
		video_down(c);
		output_down(c);
		int result = output_up(c);
		if (result == CAMERA_OK)
			video_restore(c);
		return result;
	}
	case CAMERA_VIDEO: return video_set(c);
	case CAMERA_QUALITY: return venc_quality(c, &c->streamed);
	case CAMERA_VPSS: return outputs_set(c);
	case CAMERA_TONE_GET: return tone_get(c);
	case CAMERA_TONE_SET: return tone_set(c);
	case CAMERA_VIEW: return outputs_view(c);
	case CAMERA_OVERLAY: return overlay_set(c);
	case CAMERA_RESET_LINE: return CALL(c, CVI_MIPI_SetSensorReset, 0, 0) ? CAMERA_OK : CAMERA_FAILED;
	case CAMERA_CLOCK: return CALL(c, CVI_MIPI_SetSensorClock, 0, 1) ? CAMERA_OK : CAMERA_FAILED;
	case CAMERA_RECOVER: return camera_recover(c);
	case CAMERA_RAW: return raw_get(c);
	case CAMERA_RAW_RELEASE: return raw_release(c);
	case CAMERA_RAW_MAP: return raw_map(c);
	case CAMERA_RAW_FLUSH: return raw_flush(c);
	case CAMERA_ENCODE_RAW: return raw_encode(c);
	case CAMERA_ENCODE_PICTURE: return program_picture(c);
	}
	return CAMERA_FAILED;
}

/* Whatever either side wrote before signalling is visible to the other: the kernel takes a lock for both. */
static void signal_event(int event)
{
	static const uint64_t one = 1;
	ssize_t n; /* fails only at 2^64 pending signals */
	do
		n = write(event, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

static void await_event(int event)
{
	uint64_t count;
	while (read(event, &count, sizeof count) < 0 && errno == EINTR)
		;
}

static void *serve(void *argument)
{
	struct camera *c = argument;
	for (;;) {
		await_event(c->wake);
		if (c->stop)
			return NULL;
		c->result = perform(c);
		c->note[0] = '\0';
		signal_event(c->ready);
	}
}

static void discard(struct camera *c)
{
	if (c->wake >= 0)
		close(c->wake);
	if (c->ready >= 0)
		close(c->ready);
	if (c->unit >= 0)
		close(c->unit);
	pthread_cond_destroy(&c->isp_started);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct camera *camera_new(struct mpi *mpi, struct gate *gate)
{
	struct camera *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->mpi = mpi;
	c->gate = gate;
	c->note = c->fallback_note;
	c->streamed.pool = c->still.pool = c->picture_pool = VB_INVALID_POOLID;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->isp_started, NULL);
	c->wake = eventfd(0, EFD_CLOEXEC);
	c->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->unit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake < 0 || c->ready < 0 || c->unit < 0) {
		discard(c);
		return NULL;
	}

	/*
	 * A signal cuts the driver's waits short, and inside its JPEG lock the code then runs unlocked. Threads that the libraries start from this one
	 * inherit its mask, so none of them receives Go's signals.
	 */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	int failed = pthread_create(&c->thread, &attr, serve, c);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		discard(c);
		return NULL;
	}
	pthread_setname_np(c->thread, "mpi");
	return c;
}

void camera_give_up(struct camera *c)
{
	pthread_mutex_lock(&c->lock);
	c->abandoned = true;
	c->buffer = NULL;
	c->planes[0] = c->planes[1] = NULL;
	pthread_mutex_unlock(&c->lock);
}

void camera_free(struct camera *c)
{
	c->stop = true;
	signal_event(c->wake);
	pthread_join(c->thread, NULL);
	discard(c);
}

void camera_abandon(struct camera *c) { pthread_detach(c->thread); }
