#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The vendor's code runs on this thread, and musl's default stack is 128 KiB. */
#define STACK_SIZE (1 << 20)

static int perform(struct camera *c)
{
	switch (c->op) {
	case CAMERA_UP:
		return camera_up(c);
	case CAMERA_DOWN:
		camera_down(c);
		return CAMERA_OK;
	case CAMERA_JPEG:
		return venc_picture(c);
	case CAMERA_STILL:
		return still_picture(c);
	case CAMERA_OUTPUT:
		overlay_down(c);
		output_down(c);
		return output_up(c);
	case CAMERA_QUALITY:
		return venc_quality(c, &c->streamed);
	case CAMERA_VPSS:
		return output_vpss(c);
	case CAMERA_OVERLAY:
		return overlay_set(c);
	case CAMERA_RESET_LINE:
		return CALL(c, CVI_MIPI_SetSensorReset, 0, 0) ? CAMERA_OK : CAMERA_FAILED;
	case CAMERA_CLOCK:
		return CALL(c, CVI_MIPI_SetSensorClock, 0, 1) ? CAMERA_OK : CAMERA_FAILED;
	case CAMERA_RECOVER:
		return camera_recover(c);
	case CAMERA_RAW:
		return raw_get(c);
	case CAMERA_RAW_RELEASE:
		return raw_release(c);
	case CAMERA_RAW_MAP:
		return raw_map(c);
	case CAMERA_RAW_FLUSH:
		return raw_flush(c);
	case CAMERA_ENCODE_RAW:
		return venc_raw(c);
	case CAMERA_ENCODE_PICTURE:
		return program_picture(c);
	}
	return CAMERA_FAILED;
}

static void *serve(void *argument)
{
	struct camera *c = argument;
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->busy && !c->stop)
			pthread_cond_wait(&c->wake, &c->lock);
		if (c->stop && !c->busy)
			break;
		pthread_mutex_unlock(&c->lock);
		int result = perform(c);
		pthread_mutex_lock(&c->lock);
		c->result = result;
		c->busy = false;
		pthread_cond_signal(&c->ready);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct camera *camera_new(const struct mpi *mpi)
{
	struct camera *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->mpi = mpi;
	c->streamed.pool = c->still.pool = c->picture_pool = VB_INVALID_POOLID;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->isp_started, NULL);
	pthread_cond_init(&c->ready, &clock);
	pthread_condattr_destroy(&clock);

	/*
	 * A signal cuts the driver's waits short, and inside its JPEG lock it then runs unlocked. Threads that the libraries start on this one
	 * inherit its mask, so Go's signals find none of them.
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
		free(c);
		return NULL;
	}
	pthread_setname_np(c->thread, "mpi");
	return c;
}

int camera_run(struct camera *c, enum camera_op op, int timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->lock);
	c->op = op;
	c->busy = true;
	pthread_cond_signal(&c->wake);
	int error = 0;
	while (c->busy && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&c->ready, &c->lock, &until);
	int result = c->busy ? CAMERA_HANGS : c->result;
	if (c->busy) {
		c->abandoned = true;
		c->buffer = NULL;
		c->planes[0] = c->planes[1] = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	return result;
}

int camera_jpeg(struct camera *c, enum camera_op op, uint8_t *buffer, size_t room, int32_t wait_ms, int timeout_ms)
{
	c->buffer = buffer;
	c->room = room;
	c->wait_ms = wait_ms;
	int result = camera_run(c, op, timeout_ms);
	c->buffer = NULL;
	return result;
}

int camera_encode(struct camera *c, enum camera_op op, uint8_t *buffer, size_t room, const uint8_t *y, const uint8_t *vu, int timeout_ms)
{
	c->buffer = buffer;
	c->room = room;
	c->planes[0] = y;
	c->planes[1] = vu;
	int result = camera_run(c, op, timeout_ms);
	c->buffer = NULL;
	c->planes[0] = c->planes[1] = NULL;
	return result;
}

void camera_free(struct camera *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->isp_started);
	pthread_cond_destroy(&c->ready);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void camera_abandon(struct camera *c)
{
	pthread_detach(c->thread);
}
