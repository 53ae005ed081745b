/* Correct callers: everything works, and the log stays empty. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpi.h"

static struct jpeg picture;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

/* Streams n pictures, decodes a few, and checks their order. */
static void stream(int n)
{
	int64_t last = -1, start = 0;
	uint32_t cw = setup.crop ? (uint32_t)((double)setup.sensor_h / setup.h * setup.w) : setup.sensor_w;
	int seen = 0;

	CHECK(bring_up("") < 0, "bring-up failed");
	for (int i = 0; i < n; i++) {
		struct image image;
		int64_t number;
		int rc = next_jpeg(&picture);

		CHECK(rc == 0, "picture %d: 0x%x", i, (unsigned)rc);
		if (!start)
			start = now();
		if (i % 5)
			continue;
		CHECK(decode(&picture, &image) && image.w == setup.w && image.h == setup.h, "picture %d is %ux%u", i, image.w, image.h);
		if (cw > setup.sensor_w)
			cw = setup.sensor_w;
		number = frame_number(&image, (setup.sensor_w - cw) / 2, cw);
		CHECK(number > last, "picture %d has number %lld after %lld", i, (long long)number, (long long)last);
		last = number;
		seen++;
		image_free(&image);
	}
	CHECK(seen > 0 && m.counter("raw.mapped") == 0 && m.counter("raw.touched") == 0, "raw pixels were mapped");
	CHECK(m.counter("jpeg.touched") > 0, "the JPEGs were not read");
	tear_down("");
	if (getenv("SIMTEST_VERBOSE"))
		fprintf(stderr, "%d pictures, %.1f fps, %lld dropped\n", n, (n - 1) * 1e6 / (double)(now() - start), (long long)m.counter("vpss.dropped"));
}

static void path_frame(void) { stream(20); }

static void path_bound(void)
{
	setup.bind = true;
	setup.depth = 0;
	stream(20);
}

/* Not a test: the simulator's own cost, with sensor and encoder at full speed. */
static void bench(void)
{
	static const uint32_t sizes[][2] = {{160, 120}, {640, 480}, {1280, 720}};

	for (int path = 0; path < 2; path++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			int64_t start;

			setup.bind = path;
			setup.depth = path ? 0 : 2;
			setup.w = sizes[i][0];
			setup.h = sizes[i][1];
			m.set("sensor_fps=2000;encode_us_per_mpixel=0");
			CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
			start = now();
			for (int n = 0; n < 500; n++)
				CHECK(next_jpeg(&picture) == 0, "picture %d", n);
			printf("%ux%u path %s: %.0f frames per second\n", setup.w, setup.h, path ? "bound" : "frame", 500 * 1e6 / (double)(now() - start));
			fflush(stdout);
			tear_down("");
		}
}

static void sixty(void)
{
	setup.sensor_w = setup.w = 1280;
	setup.sensor_h = setup.h = 720;
	setup.fps = 60;
	stream(30);
}

static void sizes(void)
{
	static const uint32_t s[][2] = {{1280, 720}, {1920, 1080}, {2560, 1440}, {320, 240}, {162, 122}};

	for (size_t i = 0; i < sizeof s / sizeof *s; i++) {
		setup.w = s[i][0];
		setup.h = s[i][1];
		stream(6);
	}
}

static uint8_t colour_at(const struct image *i, double x, double y, int plane)
{
	const uint8_t *p = plane == 0 ? i->y : plane == 1 ? i->u : i->v;

	return p[(size_t)(y * i->h) * i->w + (size_t)(x * i->w)];
}

/* The red square is at the top left when the picture is upright, and the other flips move it as they should. */
static void turns(void)
{
	for (int t = 0; t < 4; t++) {
		struct image image;
		double x, y;

		setup.crop = false;
		setup.w = 640;
		setup.h = 360;
		setup.mirror = t & 1;
		setup.flip = t & 2;
		CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0 && decode(&picture, &image), "no picture");
		/* MaixCAM's sensor is mounted upside down: without mirror and flip the picture is rotated by 180 degrees. */
		x = 3.0 / 16 + 0.02;
		y = 1.0 / 8 + 0.04;
		x = setup.mirror ? x : 1 - x;
		y = setup.flip ? y : 1 - y;
		CHECK(colour_at(&image, x, y, 2) > 200 && colour_at(&image, x, y, 1) < 120, "no red at %.2f %.2f, mirror %d flip %d", x, y, setup.mirror,
			setup.flip);
		CHECK(colour_at(&image, 1 - x, 1 - y, 0) > 200, "no white at %.2f %.2f", 1 - x, 1 - y);
		CHECK((frame_number(&image, 0, setup.sensor_w) > 0) == (t == 3), "the number can be read at rotation %d", t);
		image_free(&image);
		tear_down("");
	}
}

static void quality_and_header(void)
{
	struct image image;
	uint32_t small, large;
	VENC_JPEG_PARAM_S p;

	setup.jfif = false;
	setup.quality = 30;
	CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
	CHECK(picture.data[2] == 0xff && picture.data[3] == 0xe9, "%02x instead of APP9 first", picture.data[3]);
	small = picture.len;
	m.CVI_VENC_GetJpegParam(0, &p);
	p.u32Qfactor = 95;
	CHECK(m.CVI_VENC_SetJpegParam(0, &p) == 0, "quality 95 refused");
	p.u32Qfactor = 50;
	CHECK(m.CVI_VENC_SetJpegParam(0, &p) == CVI_ERR_VENC_NOT_SUPPORT, "quality 50 accepted");
	p.u32Qfactor = 100;
	CHECK(m.CVI_VENC_SetJpegParam(0, &p) == CVI_ERR_VENC_ILLEGAL_PARAM, "quality 100 accepted");
	CHECK(next_jpeg(&picture) == 0 && decode(&picture, &image), "no picture");
	image_free(&image);
	large = picture.len;
	CHECK(large > small * 2, "quality 95 is %u bytes, 30 was %u", large, small);
	tear_down("");
	setup.jfif = true;
	CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
	CHECK(picture.data[3] == 0xe0 && !memcmp(picture.data + 6, "JFIF", 4), "no JFIF first");
	for (uint32_t i = 2, dht = 0; picture.data[i + 1] != 0xda; i += 2 + ((uint32_t)picture.data[i + 2] << 8 | picture.data[i + 3])) {
		dht |= picture.data[i + 1] == 0xc4;
		CHECK(picture.data[i + 1] != 0xc0 || dht, "SOF0 before DHT");
	}
	tear_down("");
}

static void overlay(void)
{
	RGN_ATTR_S a = {.enType = OVERLAY_RGN,
		.unAttr.stOverlay = {.enPixelFormat = PIXEL_FORMAT_ARGB_8888, .u32BgColor = 0xff0000ff, .stSize = {64, 32}, .u32CanvasNum = 2}};
	MMF_CHN_S chn = {CVI_ID_VPSS, 0, 0};
	RGN_CHN_ATTR_S d = {.bShow = 1, .enType = OVERLAY_RGN, .unChnAttr.stOverlayChn = {.stPoint = {320, 160}}};
	RGN_CANVAS_INFO_S canvas;
	struct image image;

	CHECK(bring_up("") < 0, "bring-up failed");
	CHECK(m.CVI_RGN_Create(0, &a) == 0 && m.CVI_RGN_AttachToChn(0, &chn, &d) == 0, "no region");
	for (int i = 0; i < 4; i++)
		CHECK(next_jpeg(&picture) == 0, "no picture");
	CHECK(decode(&picture, &image), "no picture");
	/* Blending comes before mirror and flip: the position is rotated with the picture. */
	CHECK(image.u[(size_t)(480 - 160 - 16) * 640 + 640 - 320 - 32] > 200, "the region's background is not visible");
	image_free(&image);
	CHECK(m.CVI_RGN_GetCanvasInfo(0, &canvas) == 0 && canvas.u32Stride == 256, "no canvas");
	CHECK(m.CVI_RGN_GetCanvasInfo(0, &canvas) == CVI_ERR_RGN_NOT_PERM, "a second canvas");
	for (uint32_t i = 0; i < 64 * 32; i++)
		((uint32_t *)(void *)canvas.pu8VirtAddr)[i] = 0xffff0000;
	CHECK(m.CVI_RGN_UpdateCanvas(0) == 0, "no update");
	for (int i = 0; i < 4; i++)
		CHECK(next_jpeg(&picture) == 0, "no picture");
	CHECK(decode(&picture, &image) && image.v[(size_t)(480 - 160 - 16) * 640 + 640 - 320 - 32] > 200, "the canvas is not visible");
	image_free(&image);
	CHECK(m.CVI_RGN_DetachFromChn(0, &chn) == 0 && m.CVI_RGN_Destroy(0) == 0, "the region stays");
	tear_down("");
}

/* A picture made by the program: mapped, written, flushed, encoded; the encoder does not see what was not flushed. */
static void own_picture(void)
{
	VIDEO_FRAME_INFO_S f = {0};
	VB_POOL_CONFIG_S c = {.u32BlkSize = 640 * 496 * 3 / 2, .u32BlkCnt = 1};
	VENC_PACK_S packs[8];
	VENC_STREAM_S s = {.pstPack = packs};
	uint32_t pool;
	uint64_t block;
	uint8_t *p;

	CHECK(bring_up("") < 0, "bring-up failed");
	pool = m.CVI_VB_CreatePool(&c);
	block = m.CVI_VB_GetBlock(pool, c.u32BlkSize);
	CHECK(block != VB_INVALID_HANDLE && block > UINT32_MAX, "handle 0x%llx", (unsigned long long)block);
	f.stVFrame.u32Width = 640;
	f.stVFrame.u32Height = 480;
	f.stVFrame.enPixelFormat = PIXEL_FORMAT_NV21;
	f.stVFrame.u32Stride[0] = f.stVFrame.u32Stride[1] = 640;
	f.stVFrame.u64PhyAddr[0] = m.CVI_VB_Handle2PhysAddr(block);
	f.stVFrame.u64PhyAddr[1] = f.stVFrame.u64PhyAddr[0] + 640 * 496;
	p = m.CVI_SYS_MmapCache(f.stVFrame.u64PhyAddr[0], c.u32BlkSize);
	CHECK(p, "not mapped");
	for (int pass = 0; pass < 2; pass++) {
		struct image image;

		memset(p, 200, 640 * 496);
		memset(p + 640 * 496, 128, 640 * 248);
		if (pass == 1)
			m.CVI_SYS_IonFlushCache(f.stVFrame.u64PhyAddr[0], p, c.u32BlkSize);
		CHECK(m.CVI_VENC_SendFrame(0, &f, 1000) == 0 && m.CVI_VENC_GetStream(0, &s, 1000) == 0, "not encoded");
		memcpy(picture.data, packs[0].pu8Addr, picture.len = packs[0].u32Len);
		m.CVI_VENC_ReleaseStream(0, &s);
		CHECK(decode(&picture, &image), "no JPEG");
		CHECK((image.y[1000] > 190) == (pass == 1), "pass %d shows %u", pass, image.y[1000]);
		image_free(&image);
	}
	m.CVI_SYS_Munmap(p, c.u32BlkSize);
	CHECK(m.counter("raw.flushed") == c.u32BlkSize && m.counter("raw.touched") > 640 * 480, "counted: %lld flushed, %lld touched",
		(long long)m.counter("raw.flushed"), (long long)m.counter("raw.touched"));
	CHECK(m.CVI_VB_ReleaseBlock(block) == 0 && m.CVI_VB_DestroyPool(pool) == 0, "not released");
	tear_down("");
}

static void held_frame_starves_and_recovers(void)
{
	VIDEO_FRAME_INFO_S f[3], g;

	CHECK(bring_up("") < 0, "bring-up failed");
	for (int i = 0; i < 3; i++)
		CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f[i], 1000) == 0, "frame %d", i);
	CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &g, 200) == CVI_ERR_VPSS_BUF_EMPTY, "a fourth frame from three blocks");
	CHECK(m.counter("vpss.dropped") > 0, "nothing was dropped");
	for (int i = 0; i < 3; i++)
		m.CVI_VPSS_ReleaseChnFrame(0, 0, &f[i]);
	CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &g, 1000) == 0, "does not recover");
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &g);
	tear_down("");
}

static void sensor_pulled_and_back(void)
{
	VIDEO_FRAME_INFO_S f;

	CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
	m.set("unplug=1");
	usleep(100000);
	while (m.CVI_VPSS_GetChnFrame(0, 0, &f, 0) == 0)
		m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 150) == CVI_ERR_VPSS_BUF_EMPTY, "a frame without a sensor");
	m.set("unplug=0");
	CHECK(next_jpeg(&picture) == 0, "no picture after it is back");
	tear_down("");
}

static void injected(void)
{
	VIDEO_FRAME_INFO_S f;

	m.set("fail=CVI_VENC_SendFrame:2:0xC0078012,CVI_VB_CreatePool:1:0xFFFFFFFF;stall=CVI_VPSS_ReleaseChnFrame:1:20;signal=CVI_VPSS_GetChnFrame:3");
	CHECK(strcmp(step_name(bring_up("")), "pool") == 0, "the pool was created");
	tear_down("");
	CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
	CHECK(next_jpeg(&picture) == CVI_ERR_VENC_BUSY, "the second SendFrame worked");
	CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 1000) == CVI_ERR_VPSS_BUF_EMPTY, "no interruption");
	CHECK(next_jpeg(&picture) == 0, "no picture");
	CHECK(m.counter("injected.failures") == 2 && m.counter("injected.stalls") == 1 && m.counter("injected.waits") == 1, "not counted");
	tear_down("");
}

static void absent_sensor(void)
{
	static const uint8_t reg[2] = {0x03, 0xf0};
	uint8_t id[2];

	CHECK(m.i2c(4, 0x29, reg, 2, id, 2) == 0 && id[0] == 0x46 && id[1] == 0x53, "gc4653 does not answer");
	CHECK(m.i2c(4, 0x36, NULL, 0, NULL, 0) == -6 && m.i2c(3, 0x29, NULL, 0, NULL, 0) == -19, "another device answers");
	m.poke(0x0300118C, 3);
	CHECK(m.i2c(4, 0x29, NULL, 0, NULL, 0) == -6, "it answers without a clock");
	m.poke(0x0300118C, 5);
	m.set("sensor=none");
	CHECK(strcmp(step_name(bring_up("")), "probe") == 0, "an absent sensor was found");
	tear_down("");
}

static void nodes_missing(void)
{
	m.set("missing=/dev/mem");
	CHECK(strcmp(step_name(bring_up("")), "sys_init") == 0, "started without /dev/mem");
	tear_down("");
	m.set("missing=/dev/cvi_vc_enc0");
	CHECK(strcmp(step_name(bring_up("")), "mod_param") == 0, "the encoder opened without a node");
	tear_down("");
}

static void ion_short(void)
{
	CHECK(strcmp(step_name(bring_up("")), "enable_chn") == 0, "VI_DMA_BUF was allocated without room");
	tear_down("");
}

static void two_channels(void)
{
	VENC_CHN_ATTR_S a;
	VIDEO_FRAME_INFO_S f;
	VENC_PACK_S packs[8];
	VENC_STREAM_S s = {.pstPack = packs};

	setup.blocks = 4;
	CHECK(bring_up("") < 0, "bring-up failed");
	m.CVI_VENC_GetChnAttr(0, &a);
	CHECK(m.CVI_VENC_CreateChn(1, &a) == 0 && m.CVI_VENC_StartRecvFrame(1, &(VENC_RECV_PIC_PARAM_S){-1}) == 0, "no second channel");
	for (int i = 0; i < 6; i++) {
		CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 1000) == 0, "no frame");
		for (int ch = 0; ch < 2; ch++) {
			CHECK(m.CVI_VENC_SendFrame(ch, &f, 1000) == 0 && m.CVI_VENC_GetStream(ch, &s, 1000) == 0, "channel %d", ch);
			m.CVI_VENC_ReleaseStream(ch, &s);
		}
		m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	}
	m.CVI_VENC_StopRecvFrame(1);
	m.CVI_VENC_DestroyChn(1);
	tear_down("");
}

/*
 * Frames take a little longer than the sensor's period, as under an emulator, so the scaler is never idle. Calls that wait for it
 * return after the current frame, and a call that waits for a frame gets it, however short the wait.
 */
static void slow_machine(void)
{
	VPSS_CHN_ATTR_S a;
	VIDEO_FRAME_INFO_S f;

	setup.fps = 25;
	m.set("draw_us=40000"); /* the period plus the lateness of a sleep */
	CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "no picture");
	CHECK(m.CVI_VPSS_GetChnAttr(0, 0, &a) == 0, "no attributes");
	for (int i = 0; i < 6; i++) {
		int64_t begin, passed;

		CHECK(next_jpeg(&picture) == 0, "no picture");
		begin = m.counter("vi.frames");
		if (i % 2) {
			m.CVI_VPSS_DisableChn(0, 0);
			passed = m.counter("vi.frames") - begin;
			m.CVI_VPSS_EnableChn(0, 0);
		} else {
			m.CVI_VPSS_SetChnAttr(0, 0, &a);
			passed = m.counter("vi.frames") - begin;
		}
		CHECK(passed <= 25, "call %d waited for %lld frames", i, (long long)passed); /* one, except for other load on this machine */
	}
	/* Queued frames first, then one that is being drawn while the wait ends. */
	while (m.CVI_VPSS_GetChnFrame(0, 0, &f, 0) == 0)
		m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.set("draw_us=300000");
	for (int i = 0; i < 3; i++) {
		CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 100) == 0, "frame %d did not arrive", i);
		m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	}
	m.set("draw_us=0");
	tear_down("");
}

static void again_and_again(void)
{
	for (int i = 0; i < 10; i++) {
		setup.bind = i & 1;
		CHECK(bring_up("") < 0 && next_jpeg(&picture) == 0, "round %d", i);
		tear_down("");
	}
}

const struct scenario right[] = {
	{"path frame", path_frame, NULL},
	{"path bound", path_bound, NULL},
	{"bench", bench, NULL},
	{"60 fps", sixty, NULL},
	{"sizes", sizes, NULL},
	{"mirror and flip", turns, NULL},
	{"quality and header", quality_and_header, NULL},
	{"overlay", overlay, NULL},
	{"the program's own picture", own_picture, NULL},
	{"a held frame starves the channel, which recovers", held_frame_starves_and_recovers, NULL},
	{"sensor unplugged and back", sensor_pulled_and_back, NULL},
	{"injected failures", injected, NULL},
	{"absent sensor", absent_sensor, NULL},
	{"nodes missing", nodes_missing, NULL},
	{"ION short", ion_short, NULL},
	{"two JPEG channels in turn", two_channels, NULL},
	{"ten cycles", again_and_again, NULL},
	{"a machine too slow for the sensor", slow_machine, NULL},
	{0},
};
