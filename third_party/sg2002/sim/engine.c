/*
 * The hardware's scheduler: takes frames from the sensor at its rate (or one queued by SendFrame), passes each to every
 * enabled channel of the group, and delivers the results. One thread per process, started on first use.
 */
#include <string.h>
#include <unistd.h>

#include "vpu.h"

static bool running;
static int busy_group = -1;
static int idlers; /* calls waiting until no frame is being processed */

static uint32_t max32(uint32_t a, uint32_t b) { return a > b ? a : b; }

bool vpu_picture(const struct k_frame *f, struct picture *p)
{
	*p = (struct picture){.y = sim_phys(f->phys[0], f->length[0]),
		.stride = f->stride[0],
		.width = f->width,
		.height = f->height,
		.chroma_stride = f->stride[1],
		.chroma_step = 2};
	switch (f->format) {
	case PIXEL_FORMAT_NV21:
		p->v = sim_phys(f->phys[1], f->length[1]);
		p->u = p->v ? p->v + 1 : NULL;
		break;
	case PIXEL_FORMAT_NV12:
		p->u = sim_phys(f->phys[1], f->length[1]);
		p->v = p->u ? p->u + 1 : NULL;
		break;
	case PIXEL_FORMAT_YUV_PLANAR_420:
		p->u = sim_phys(f->phys[1], f->length[1]);
		p->v = sim_phys(f->phys[2], f->length[2]);
		p->chroma_step = 1;
		break;
	case PIXEL_FORMAT_YUV_400: return p->y;
	default: return false;
	}
	return p->y && p->u && p->v;
}

/* The chip keeps dst of every src frames if 0 < dst < src. */
static bool rate_allows(struct k_vpss_chn *c)
{
	int32_t src = c->attr.stFrameRate.s32SrcFrameRate, dst = c->attr.stFrameRate.s32DstFrameRate;

	if (dst <= 0 || dst >= src)
		return true;
	c->frc += dst;
	if (c->frc < src)
		return false;
	c->frc -= src;
	return true;
}

static void fit(struct job *job, const VPSS_CHN_ATTR_S *attr)
{
	uint32_t w = attr->u32Width, h = attr->u32Height;
	uint64_t sw = job->crop.u32Width, sh = job->crop.u32Height;

	job->fit = (RECT_S){0, 0, w, h};
	job->background = attr->stAspectRatio.u32BgColor;
	if (attr->stAspectRatio.enMode == ASPECT_RATIO_MANUAL) {
		job->fit = attr->stAspectRatio.stVideoRect;
	} else if (attr->stAspectRatio.enMode == ASPECT_RATIO_AUTO) {
		if (sw * h > sh * w)
			job->fit.u32Height = (uint32_t)(sh * w / sw) & ~1u;
		else
			job->fit.u32Width = (uint32_t)(sw * h / sh) & ~1u;
		/* A rounding error of a pixel is not a bar. */
		if (job->fit.u32Width + 2 >= w)
			job->fit.u32Width = w;
		if (job->fit.u32Height + 2 >= h)
			job->fit.u32Height = h;
		job->fit.u32Width = max32(job->fit.u32Width, 2);
		job->fit.u32Height = max32(job->fit.u32Height, 2);
		job->fit.s32X = (int32_t)((w - job->fit.u32Width) / 2 & ~1u);
		job->fit.s32Y = (int32_t)((h - job->fit.u32Height) / 2 & ~1u);
	}
}

static RECT_S crop_of(const VPSS_CROP_INFO_S *crop, RECT_S in)
{
	RECT_S r = crop->stCropRect;

	if (!crop->bEnable)
		return in;
	if (crop->enCropCoordinate == VPSS_CROP_RATIO_COOR) {
		r.s32X = (int32_t)((int64_t)r.s32X * in.u32Width / 1000);
		r.s32Y = (int32_t)((int64_t)r.s32Y * in.u32Height / 1000);
	}
	r.s32X += in.s32X;
	r.s32Y += in.s32Y;
	return r;
}

static void offer_to_binds(int group, int channel, const struct k_frame *f)
{
	for (int i = 0; i < K_BINDS; i++) {
		const struct k_bind *b = &K->binds[i];

		if (b->used && b->src.enModId == CVI_ID_VPSS && b->src.s32DevId == group && b->src.s32ChnId == channel && b->dst.enModId == CVI_ID_VENC &&
			sim_hook.venc_offer)
			sim_hook.venc_offer(b->dst.s32ChnId, f);
	}
}

static void deliver(int group, int channel, struct k_frame *f)
{
	struct k_vpss_chn *c = &K->grps[group].chn[channel];

	if (!K->grps[group].started || !c->enabled)
		return;
	c->sent++;
	sim_count("vpss.frames", 1);
	if (c->attr.u32Depth > 0 || c->waiters > 0) {
		int32_t depth = (int32_t)max32(c->attr.u32Depth, 1);

		if (depth > K_QUEUE)
			depth = K_QUEUE;
		while (c->queued >= depth) {
			sim_drop(c->queue[0].pool, c->queue[0].block, H_QUEUE);
			memmove(&c->queue[0], &c->queue[1], sizeof c->queue[0] * (size_t)(--c->queued));
		}
		c->queue[c->queued++] = *f;
		sim_hold(f->pool, f->block, H_QUEUE);
	}
	offer_to_binds(group, channel, f);
}

/* Passes one input frame through one group. Called with the lock held, which is released while drawing. */
static void run_group(int group, const struct picture *from, uint64_t pts, uint32_t seq)
{
	static struct job jobs[VPSS_MAX_CHN_NUM];
	int channels[VPSS_MAX_CHN_NUM], n = 0;
	struct k_grp *g = &K->grps[group];
	uint64_t until = sim_now() + (uint64_t)sim_setting("draw_us", 0), now;

	for (int i = 0; i < VPSS_MAX_CHN_NUM; i++) {
		struct k_vpss_chn *c = &g->chn[i];
		struct job *job = &jobs[n];
		uint32_t size;
		int block, pool;

		if (!c->enabled || !rate_allows(c))
			continue;
		memset(job, 0, offsetof(struct job, overlays));
		size = sim_layout(&job->to, c->attr.enPixelFormat, c->attr.u32Width, c->attr.u32Height, 0);
		pool = sim_pool_take(c->pool, size, H_VPSS, &block);
		if (pool < 0) { /* one channel has no block: the frame is lost for all */
			while (n--)
				sim_drop(jobs[n].to.pool, jobs[n].to.block, H_VPSS);
			c->dropped++;
			sim_count("vpss.dropped", 1);
			return;
		}
		sim_layout(&job->to, c->attr.enPixelFormat, c->attr.u32Width, c->attr.u32Height, sim_block_phys(pool, block));
		job->to.pool = pool;
		job->to.block = block;
		job->to.pts = pts;
		job->to.seq = seq;
		job->from = *from;
		job->crop = crop_of(&g->crop, (RECT_S){0, 0, from->width, from->height});
		job->crop = crop_of(&c->crop, job->crop);
		job->mirror = c->attr.bMirror;
		job->flip = c->attr.bFlip;
		fit(job, &c->attr);
		job->overlay_count = vpu_overlays(group, i, job->overlays);
		channels[n++] = i;
	}
	busy_group = group;
	sim_unlock();
	for (int i = 0; i < n; i++)
		vpu_draw(&jobs[i]);
	now = sim_now();
	if (now < until)
		usleep((useconds_t)(until - now));
	sim_lock();
	busy_group = -1;
	for (int i = 0; i < n; i++) {
		deliver(group, channels[i], &jobs[i].to);
		sim_drop(jobs[i].to.pool, jobs[i].to.block, H_VPSS);
	}
	sim_wake();
}

static void sensor_frame(uint64_t now, uint64_t period)
{
	const VI_CHN_ATTR_S *attr = &K->vi.chn_attr;
	struct k_frame f;
	uint32_t size = sim_layout(&f, PIXEL_FORMAT_NV21, attr->stSize.u32Width, attr->stSize.u32Height, 0);
	struct picture scene;

	K->vi.frames++;
	sim_count("vi.frames", 1);
	/* To deliver the full block, an empty one must be available to replace it. */
	if (!sim_pool_has(K->vi.pool, size)) {
		K->vi.lost++;
		sim_count("vi.lost", 1);
		return;
	}
	scene = vpu_scene(attr->stSize.u32Width, attr->stSize.u32Height, K->vi.frames);
	for (int i = 0; i < K_BINDS; i++) {
		const struct k_bind *b = &K->binds[i];
		int g = b->dst.s32DevId;

		if (!b->used || b->src.enModId != CVI_ID_VI || b->dst.enModId != CVI_ID_VPSS || !K->grps[g].started)
			continue;
		if (K->grps[g].attr.u32MaxW != scene.width || K->grps[g].attr.u32MaxH != scene.height)
			sim_fault(F_OVERRUN, "VPSS", "group %d is set up for %ux%u but gets %ux%u", g, K->grps[g].attr.u32MaxW, K->grps[g].attr.u32MaxH,
				scene.width, scene.height);
		/* The time stamp is the start of the sensor's readout: the last line arrives one frame time later. */
		run_group(g, &scene, now - period, K->vi.frames);
	}
}

static void sent_frame(int group)
{
	struct k_frame f = K->grps[group].input;
	struct picture p;

	if (vpu_picture(&f, &p))
		run_group(group, &p, f.pts ? f.pts : sim_now(), f.seq);
	sim_drop(f.pool, f.block, H_VPSS);
	K->grps[group].has_input = 0;
	sim_wake();
}

static void *engine(void *arg)
{
	uint64_t tick = 0, deadline, now, period;

	(void)arg;
	sim_lock();
	for (;;) {
		float fps;

		/* On a machine too slow for the sensor frames follow each other directly; a call waiting for the end of one must run before the next. */
		while (idlers > 0)
			sim_wait(0);
		fps = K->vi.chn && K->vi.pid == getpid() ? sim_camera_fps() : 0;

		now = sim_now();
		deadline = now + 50000; /* settings may change what comes next */
		if (fps > 0) {
			period = (uint64_t)(1e6f / fps);
			if (!tick || tick + 4 * period < now) /* just started, or this machine was too slow: skip frames rather than catch up */
				tick = now + period;
			if (now >= tick) {
				sensor_frame(tick, period); /* the sensor's clock is on time even if this machine is late */
				tick += period;
				continue;
			}
			deadline = tick < deadline ? tick : deadline;
		} else {
			tick = 0;
		}
		for (int g = 0; g < VPSS_MAX_GRP_NUM; g++)
			if (K->grps[g].has_input && K->grps[g].pid == getpid())
				sent_frame(g);
		sim_wait(deadline);
	}
	return NULL;
}

void vpu_engine_start(void)
{
	pthread_t thread;

	if (running)
		return;
	running = sim_thread(&thread, engine, NULL, "sim-vpu") == 0;
	if (running)
		pthread_detach(thread);
}

bool vpu_engine_works(int group) { return busy_group >= 0 && (group < 0 || busy_group == group); }

void vpu_engine_idle(int group)
{
	idlers++;
	while (vpu_engine_works(group))
		sim_wait(0);
	idlers--;
	sim_wake();
}
