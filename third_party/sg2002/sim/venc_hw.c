/* The encoder: one unit for all channels, one picture at a time, and the driver's lock around it. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "venc.h"

static bool running;
static uint64_t done_at[VENC_MAX_CHN_NUM]; /* when the unit finishes the channel's picture */

bool venc_hangs(int ch) { return sim_now() < done_at[ch]; }

void venc_signal(int ch)
{
	uint64_t value;

	if (venc_fds[ch] < 0)
		return;
	if (is_h264(&K->vencs[ch]) ? K->vencs[ch].h264.left > 0 : K->vencs[ch].stream == STREAM_READY) {
		value = 1;
		if (write(venc_fds[ch], &value, sizeof value) < 0)
			sim_note("cannot signal VENC channel %d", ch);
	} else if (read(venc_fds[ch], &value, sizeof value) < 0) {
		return; /* it was not signalled */
	}
}

void venc_finish_lock(int ch)
{
	if (K->jpeg.held && K->jpeg.chn == ch && K->jpeg.pid == getpid())
		memset(&K->jpeg, 0, sizeof K->jpeg);
	sim_wake();
}

/* A frame from the VPSS channel that this one is bound to. The queue has one slot. */
bool venc_offer(int ch, const struct k_frame *f)
{
	struct k_venc *v = &K->vencs[ch];

	if (!v->created || !v->receiving || !v->thread)
		return false;
	if (v->waiting) {
		sim_count("venc.dropped", 1);
		return false;
	}
	if (f->width != v->attr.stVencAttr.u32PicWidth || f->height != v->attr.stVencAttr.u32PicHeight)
		sim_fault(F_OVERRUN, "VENC", "channel %d is set up for %ux%u but gets %ux%u", ch, v->attr.stVencAttr.u32PicWidth,
			v->attr.stVencAttr.u32PicHeight, f->width, f->height);
	v->frame = *f;
	v->waiting = 1;
	sim_hold(f->pool, f->block, H_VENC);
	return true;
}

static int next_channel(void)
{
	for (int i = 0; i < VENC_MAX_CHN_NUM; i++) {
		struct k_venc *v = &K->vencs[i];

		if (!v->created || v->pid != getpid() || is_h264(v))
			continue;
		if (v->from_send && v->stream == STREAM_BUSY)
			return i;
		if (v->waiting && v->thread && v->receiving && v->stream == STREAM_NONE && !K->jpeg.held) {
			v->waiting = 0;
			v->from_send = 0;
			v->stream = STREAM_BUSY;
			K->jpeg.held = 1;
			K->jpeg.chn = i;
			K->jpeg.pid = getpid();
			K->jpeg.thread = 0;
			return i;
		}
	}
	return -1;
}

/* Puts the picture where the CPU can read it; one larger than the buffer takes the driver's slow path. */
static bool store(struct k_venc *v, const uint8_t *data, uint32_t len)
{
	uint64_t to = v->phys;

	if (!data || !len)
		return false;
	if (len > v->buf_size) {
		sim_count("jpeg.overflows", 1);
		if (v->big_size < len) {
			if (v->big_phys)
				sim_ion_free(v->big_phys);
			v->big_phys = sim_ion_alloc("JPEG_OVERFLOW", len + len / 4);
			v->big_size = v->big_phys ? len + len / 4 : 0;
		}
		to = v->big_phys;
	}
	if (!to)
		return false;
	memcpy(sim_phys(to, len), data, len);
	v->len = len;
	return true;
}

/* stall=... is for calls; this is for the unit itself: encode_stall_at=PICTURE:MILLISECONDS. */
static uint64_t encode_time(uint32_t pixels)
{
	static uint64_t pictures;
	unsigned long at = 0, ms = 0;

	pictures++;
	if (sscanf(sim_text("encode_stall_at", ""), "%lu:%lu", &at, &ms) == 2 && pictures == at)
		return ms * 1000;
	return (uint64_t)sim_setting("encode_us_per_mpixel", 7000) * pixels / 1000000;
}

/* Whether the channel still waits for the picture, and is still the same channel. */
static bool wanted_still(const struct k_venc *v, uint64_t made) { return v->created && v->made == made && v->stream == STREAM_BUSY; }

static void encode(int ch)
{
	struct k_venc *v = &K->vencs[ch];
	uint8_t user[sizeof v->user];
	struct encode_order o = {.frame = v->frame,
		.width = v->frame.width,
		.height = v->frame.height,
		.quality = v->jpeg.u32Qfactor,
		.restart = v->jpeg.u32MCUPerECS,
		.jfif = K->jpege.enJpegeFormat == JPEGE_FORMAT_TYPE_1,
		.index = v->index++,
		.user = user,
		.user_len = v->user_len};
	uint64_t start = sim_now(), wanted, spent, made = v->made;
	const uint8_t *data;
	uint32_t len;
	bool ok;

	if (!v->from_send && v->attr.stVencAttr.u32PicWidth <= o.width && v->attr.stVencAttr.u32PicHeight <= o.height) {
		o.width = v->attr.stVencAttr.u32PicWidth; /* when bound, the driver uses its own size */
		o.height = v->attr.stVencAttr.u32PicHeight;
	}
	memcpy(user, v->user, v->user_len);
	v->user_len = 0;
	wanted = encode_time(o.width * o.height);
	done_at[ch] = start + wanted;
	sim_unlock();
	data = venc_encode(&o, &len);
	spent = sim_now() - start;
	for (uint64_t left = wanted > spent ? wanted - spent : 0; left > 0;) {
		useconds_t slice = left > 50000 ? 50000 : (useconds_t)left;

		usleep(slice);
		left -= slice;
		sim_lock();
		if (!wanted_still(v, made))
			left = 0; /* the driver has reset the unit */
		sim_unlock();
	}
	sim_lock();
	sim_drop(o.frame.pool, o.frame.block, H_VENC);
	if (!wanted_still(v, made))
		return;
	ok = store(v, data, len);
	v->pts = o.frame.pts;
	v->stream = ok ? STREAM_READY : STREAM_FAILED;
	v->seq++;
	sim_count("jpeg.frames", 1);
	sim_count("jpeg.bytes", len);
	if (!v->from_send) {
		venc_finish_lock(ch);
		if (!ok)
			v->stream = STREAM_NONE;
	}
	venc_signal(ch);
	sim_wake();
}

static void *unit(void *arg)
{
	(void)arg;
	sim_lock();
	for (;;) {
		int ch = next_channel();

		if (ch >= 0)
			encode(ch);
		else
			sim_wait(0);
	}
	return NULL;
}

void venc_start(void)
{
	pthread_t thread;

	if (running)
		return;
	sim_hook.venc_offer = venc_offer;
	running = sim_thread(&thread, unit, NULL, "sim-venc") == 0;
	if (running)
		pthread_detach(thread);
}
