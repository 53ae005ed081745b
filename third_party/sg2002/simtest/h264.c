/* Callers of an H.264 channel beside the JPEG one: correct ones, and ones that break a rule. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "mpi.h"

enum { CHN = 2, GOP = 10, MEBI = 1 << 20 };

static struct jpeg picture;
static VIDEO_FRAME_INFO_S f;
static VENC_PACK_S packs[8];
static VENC_STREAM_S s;

static VENC_CHN_ATTR_S attributes(void)
{
	VENC_CHN_ATTR_S a;

	memset(&a, 0, sizeof a);
	a.stVencAttr.enType = PT_H264;
	a.stVencAttr.u32MaxPicWidth = a.stVencAttr.u32PicWidth = setup.w;
	a.stVencAttr.u32MaxPicHeight = a.stVencAttr.u32PicHeight = setup.h;
	a.stVencAttr.u32BufSize = MEBI;
	a.stVencAttr.bByFrame = a.stVencAttr.bEsBufQueueEn = a.stVencAttr.bIsoSendFrmEn = 1;
	a.stRcAttr.enRcMode = VENC_RC_MODE_H264CBR;
	a.stRcAttr.stH264Cbr = (VENC_H264_CBR_S){.u32Gop = GOP, .u32StatTime = 2, .u32SrcFrameRate = 25, .fr32DstFrameRate = 25, .u32BitRate = 2000};
	a.stGopAttr.stNormalP.s32IPQpDelta = 2;
	return a;
}

static void create(void)
{
	VENC_CHN_ATTR_S a = attributes();
	VENC_H264_ENTROPY_S cavlc = {0};

	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == 0, "no channel");
	CHECK(m.CVI_VENC_SetH264Entropy(CHN, &cavlc) == 0, "no CAVLC");
}

static void begin(void) { CHECK(m.CVI_VENC_StartRecvFrame(CHN, &(VENC_RECV_PIC_PARAM_S){-1}) == 0, "not started"); }

static void up(void)
{
	setup.blocks = 5;
	CHECK(bring_up("") < 0, "bring-up failed");
	create();
	begin();
}

static void down(void)
{
	m.CVI_VENC_StopRecvFrame(CHN);
	m.CVI_VENC_DestroyChn(CHN);
	tear_down("");
}

static void frame(void) { CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 2000) == 0, "no frame"); }
static void give(void) { m.CVI_VPSS_ReleaseChnFrame(0, 0, &f); }

static int32_t get(int32_t ms)
{
	memset(&s, 0, sizeof s);
	s.pstPack = packs;
	return m.CVI_VENC_GetStream(CHN, &s, ms);
}

/* Encodes a single picture; returns its bytes. */
static uint32_t one(bool key)
{
	uint32_t bytes = 0;
	int32_t rc;

	frame();
	rc = m.CVI_VENC_SendFrame(CHN, &f, 1000);
	CHECK(rc == 0, "not sent: 0x%x", (unsigned)rc);
	rc = get(1000);
	CHECK(rc == 0, "no stream: 0x%x", (unsigned)rc);
	CHECK(s.u32PackCount == (key ? 3 : 1), "%u packs", s.u32PackCount);
	for (uint32_t i = 0; i < s.u32PackCount; i++) {
		static const uint8_t code[4] = {0, 0, 0, 1};
		static const uint32_t types[2][3] = {{H264E_NALU_PSLICE}, {H264E_NALU_SPS, H264E_NALU_PPS, H264E_NALU_IDRSLICE}};
		uint32_t want = types[key][i];

		CHECK(!memcmp(packs[i].pu8Addr, code, 4) && (packs[i].pu8Addr[4] & 0x1f) == want && packs[i].DataType.enH264EType == want,
			"pack %u is of type %u", i, packs[i].DataType.enH264EType);
		CHECK(packs[i].u64PTS == f.stVFrame.u64PTS && packs[i].u32Offset == 0, "pack %u", i);
		bytes += packs[i].u32Len;
	}
	if (key) {
		VENC_H264_ENTROPY_S e;

		m.CVI_VENC_GetH264Entropy(CHN, &e);
		CHECK(packs[0].pu8Addr[5] == (e.u32EntropyEncModeI == H264E_ENTROPY_CAVLC ? 66 : 77), "profile %u", packs[0].pu8Addr[5]);
	}
	CHECK(m.CVI_VENC_ReleaseStream(CHN, &s) == 0, "not released");
	give();
	return bytes;
}

/* ---- correct ---- */

/* Both encoders at once, with the same frame, by its handle. */
static void beside_jpeg(void)
{
	VENC_PACK_S jpeg_pack[8];
	VENC_STREAM_S jpeg = {.pstPack = jpeg_pack};

	up();
	for (int i = 0; i < 3 * GOP; i++) {
		frame();
		CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == 0, "not sent");
		CHECK(m.CVI_VENC_SendFrame(0, &f, 1000) == 0 && m.CVI_VENC_GetStream(0, &jpeg, 1000) == 0, "no JPEG");
		CHECK(jpeg_pack[0].pu8Addr[0] == 0xff, "not a JPEG");
		m.CVI_VENC_ReleaseStream(0, &jpeg);
		CHECK(get(1000) == 0 && s.u32PackCount == (i % GOP ? 1 : 3), "picture %d has %u packs", i, s.u32PackCount);
		m.CVI_VENC_ReleaseStream(CHN, &s);
		give();
	}
	CHECK(m.counter("raw.mapped") == 0 && m.counter("raw.touched") == 0, "raw pixels were mapped");
	CHECK(m.counter("h264.frames") == 3 * GOP && m.counter("h264.keys") == 3, "%d pictures", (int)m.counter("h264.frames"));
	CHECK(m.counter("h264.maps") == 3 * (GOP + 2), "%d mappings", (int)m.counter("h264.maps"));
	down();
}

/* A requested key frame may shift the grid or not; the bitrate changes only at a regular one, and the GOP never. */
static void requests_and_rates(void)
{
	VENC_CHN_ATTR_S a;
	uint32_t before = 0, after = 0;

	up();
	for (int i = 0; i < 4; i++)
		one(i == 0);
	CHECK(m.CVI_VENC_RequestIDR(CHN, 1) == 0 && m.CVI_VENC_RequestIDR(CHN, 1) == 0, "refused");
	for (int i = 0; i < GOP; i++)
		one(i == 0);
	one(true); /* the grid's, counted from the request */
	one(false);
	CHECK(m.CVI_VENC_RequestIDR(CHN, 0) == 0, "refused");
	one(true);
	for (int i = 3; i < GOP; i++)
		before += one(false);
	one(true); /* where it would have been without the request */
	CHECK(m.CVI_VENC_GetChnAttr(CHN, &a) == 0 && a.stRcAttr.stH264Cbr.u32BitRate == 2000, "attributes");
	a.stRcAttr.stH264Cbr.u32BitRate = 100;
	a.stRcAttr.stH264Cbr.u32Gop = 3;
	CHECK(m.CVI_VENC_SetChnAttr(CHN, &a) == 0, "bitrate refused");
	for (int i = 1; i < GOP; i++)
		one(false);
	for (int i = 0; i < 3 * GOP; i++) {
		uint32_t bytes = one(i % GOP == 0);

		if (i >= 2 * GOP + 3)
			after += bytes;
	}
	CHECK(after < before / 2, "%u bytes before, %u after", before, after);
	a.stVencAttr.enType = PT_JPEG;
	CHECK(m.CVI_VENC_SetChnAttr(CHN, &a) == CVI_ERR_VENC_NOT_SUPPORT, "another type accepted");
	CHECK(m.CVI_VENC_StopRecvFrame(CHN) == 0, "not stopped");
	begin();
	one(true);
	down();
}

/* The driver's own arithmetic, and when each part is allocated and freed. */
static void memory(void)
{
	int64_t before, firmware = 786432;

	setup.w = 1280;
	setup.h = 720;
	setup.blocks = 5;
	CHECK(bring_up("") < 0, "bring-up failed");
	before = m.counter("ion.used");
	create();
	CHECK(m.counter("ion.used") - before == firmware, "%lld bytes at CreateChn", (long long)(m.counter("ion.used") - before));
	begin();
	CHECK(m.counter("ion.used") - before == firmware + MEBI + 81920, "%lld bytes at the start", (long long)(m.counter("ion.used") - before));
	one(true);
	CHECK(m.counter("ion.used") - before == 4800512, "%lld bytes in all", (long long)(m.counter("ion.used") - before));
	m.CVI_VENC_StopRecvFrame(CHN);
	m.CVI_VENC_DestroyChn(CHN);
	CHECK(m.counter("ion.used") - before == firmware, "%lld bytes after DestroyChn", (long long)(m.counter("ion.used") - before));
	tear_down("");
}

static void refused(void)
{
	VENC_CHN_ATTR_S a = attributes();
	VENC_RECV_PIC_PARAM_S all = {-1};
	VENC_RC_PARAM_S rc;
	VENC_H264_ENTROPY_S cabac = {H264E_ENTROPY_CABAC, H264E_ENTROPY_CABAC, 0, 0};
	static const struct {
		uint32_t w, h, size, kilobits;
	} starts[] = {{94, 480, MEBI, 2000}, {640, 14, MEBI, 2000}, {641, 480, MEBI, 2000}, {4098, 480, MEBI, 2000}, {640, 480, 131072, 2000},
		{640, 480, MEBI, 524289}};

	CHECK(bring_up("") < 0, "bring-up failed");
	m.set("missing=/usr/share/fw_vcodec/coda980.bin");
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == CVI_ERR_VENC_NULL_PTR, "a channel without firmware");
	m.set("missing=");
	a.stRcAttr.enRcMode = VENC_RC_MODE_H264QVBR;
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == CVI_ERR_VENC_NOT_SUPPORT, "rate control");
	a = attributes();
	a.stRcAttr.stH264Cbr.fr32DstFrameRate = a.stRcAttr.stH264Cbr.u32SrcFrameRate = 61;
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == CVI_ERR_VENC_NOT_SUPPORT, "frame rate");
	a = attributes();
	a.stRcAttr.stH264Cbr.u32Gop = 0;
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == CVI_ERR_VENC_RC_PARAM, "GOP 0");
	a = attributes();
	a.stGopAttr.stNormalP.s32IPQpDelta = 31;
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == CVI_ERR_VENC_GOP_ATTR, "QP delta");
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		a = attributes();
		a.stVencAttr.u32PicWidth = a.stVencAttr.u32MaxPicWidth = starts[i].w;
		a.stVencAttr.u32PicHeight = a.stVencAttr.u32MaxPicHeight = starts[i].h;
		a.stVencAttr.u32BufSize = starts[i].size;
		a.stRcAttr.stH264Cbr.u32BitRate = starts[i].kilobits;
		CHECK(m.CVI_VENC_CreateChn(CHN, &a) == 0, "%zu: refused too early", i);
		CHECK(m.CVI_VENC_StartRecvFrame(CHN, &all) == CVI_FAILURE, "%zu: started", i);
		CHECK(m.CVI_VENC_DestroyChn(CHN) == 0, "%zu: not destroyed", i);
	}
	a = attributes();
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == 0 && m.CVI_VENC_GetRcParam(CHN, &rc) == 0 && rc.stParamH264Cbr.u32MaxIprop == 100, "defaults");
	rc.stParamH264Cbr.u32MaxQp = 52;
	CHECK(m.CVI_VENC_SetRcParam(CHN, &rc) == CVI_ERR_VENC_RC_PARAM, "QP 52");
	CHECK(m.CVI_VENC_SetH264Entropy(CHN, &cabac) == CVI_ERR_VENC_NOT_SUPPORT, "CABAC in baseline");
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == CVI_ERR_VENC_INIT, "sent before the start");
	give();
	begin();
	one(true); /* which checks for Main profile: CAVLC was never requested */
	CHECK(m.CVI_VENC_GetChnAttr(CHN, &a) == 0, "attributes");
	a.stRcAttr.stH264Cbr.fr32DstFrameRate = 5;
	CHECK(m.CVI_VENC_SetChnAttr(CHN, &a) == 0, "frame rate refused");
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == CVI_ERR_VENC_FRC_NO_ENC, "25 frames per second sent as 5");
	give();
	a.stRcAttr.stH264Cbr.u32Gop = 0;
	CHECK(m.CVI_VENC_SetChnAttr(CHN, &a) == 0, "GOP 0 is noticed by SendFrame only");
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == CVI_ERR_VENC_RC_PARAM, "GOP 0 accepted");
	give();
	CHECK(get(0) == CVI_ERR_VENC_BUSY && get(20) == CVI_ERR_VENC_BUSY, "a stream without a frame");
	down();
}

/* If memory is short when the first frame arrives, the codec layer's own error is returned. */
static void short_at_first_frame(void)
{
	uint64_t address[64];
	void *memory[64];
	int n = 0;

	up();
	while (n < 64 && m.CVI_SYS_IonAlloc(&address[n], &memory[n], "filler", MEBI) == 0)
		n++;
	while (n < 64 && m.CVI_SYS_IonAlloc(&address[n], &memory[n], "filler", MEBI / 16) == 0)
		n++;
	frame();
	errno = 0;
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == CVI_FAILURE && errno == EAGAIN, "errno %d", errno);
	give();
	for (int i = 0; i < n; i++)
		m.CVI_SYS_IonFree(address[i], memory[i]);
	one(true);
	down();
}

/* A picture that does not fit is lost silently, and the next is a key frame. */
static void lost(void)
{
	VENC_CHN_STATUS_S status;

	up();
	m.set("h264_drop=3");
	one(true);
	one(false);
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == 0 && get(100) == CVI_ERR_VENC_BUSY && get(0) == CVI_ERR_VENC_BUSY, "a picture");
	give();
	one(true);
	CHECK(m.CVI_VENC_QueryStatus(CHN, &status) == 0 && status.u32CurPacks == 8 && status.u32LeftStreamFrames == 1, "%u packs, %u expected",
		status.u32CurPacks, status.u32LeftStreamFrames);
	m.set("h264_late=6:300");
	one(false);
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == 0 && get(50) == CVI_ERR_VENC_BUSY && get(1000) == 0, "not late");
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	m.set("h264_dead=7");
	frame();
	CHECK(m.CVI_VENC_SendFrame(CHN, &f, 1000) == 0 && get(100) == CVI_ERR_VENC_BUSY && get(100) == CVI_ERR_VENC_BUSY, "a picture");
	give();
	m.CVI_VENC_StopRecvFrame(CHN);
	m.CVI_VENC_DestroyChn(CHN);
	create();
	begin();
	one(true);
	down();
}

/* A dead process's channel makes the library count too few open channels: the next one created closes /dev/mem when it is destroyed. */
static void count_of_channels(void)
{
	setup.blocks = 5;
	CHECK(bring_up("") < 0, "bring-up failed");
	CHECK(m.CVI_VENC_GetFd(CHN) >= 0 && m.CVI_VENC_DestroyChn(CHN) == CVI_ERR_VENC_UNEXIST, "destroyed a missing channel");
	create();
	begin();
	one(true);
	m.CVI_VENC_StopRecvFrame(CHN);
	m.CVI_VENC_DestroyChn(CHN);
	CHECK(next_jpeg(&picture) == 0, "no JPEG after H.264 was destroyed");
	tear_down("");
}

const struct scenario right_h264[] = {
	{"H.264 beside JPEG", beside_jpeg, NULL},
	{"H.264: key frames and rates", requests_and_rates, NULL},
	{"H.264: memory", memory, NULL},
	{"H.264: refusals", refused, NULL},
	{"H.264: memory short at the first frame", short_at_first_frame, NULL},
	{"H.264: lost and late pictures", lost, NULL},
	{"H.264: the count of channels", count_of_channels, NULL},
	{0},
};

/* ---- incorrect ---- */

static void set_too_late(void)
{
	VENC_RC_PARAM_S rc;

	up();
	m.CVI_VENC_GetRcParam(CHN, &rc);
	CHECK(m.CVI_VENC_SetRcParam(CHN, &rc) == 0, "the real one does not report it");
	down();
}

static void sent_before_release(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(1000);
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	down();
}

static void frame_given_back(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	give();
	get(1000);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	down();
}

static void released_first(void)
{
	up();
	s.pstPack = packs;
	m.CVI_VENC_ReleaseStream(CHN, &s);
}

static void released_twice(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(1000);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	down();
}

static void got_unstarted(void)
{
	CHECK(bring_up("") < 0, "bring-up failed");
	create();
	get(100);
}

static void private_data(void)
{
	up();
	frame();
	f.stVFrame.pPrivateData = (char *)f.stVFrame.pPrivateData + 1;
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
}

static void waits_for_ever(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, -1);
	get(-1);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	down();
}

static void other_size(void)
{
	VENC_CHN_ATTR_S a = attributes();

	setup.blocks = 5;
	CHECK(bring_up("") < 0, "bring-up failed");
	a.stVencAttr.u32PicHeight -= 16;
	CHECK(m.CVI_VENC_CreateChn(CHN, &a) == 0, "no channel");
	begin();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(1000);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	down();
}

static void sent_to_the_dead(void)
{
	up();
	m.set("h264_dead=1");
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(50);
	get(50);
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(1000);
	m.CVI_VENC_ReleaseStream(CHN, &s);
	give();
	down();
}

static void stream_left(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(CHN, &f, 1000);
	get(1000);
	give();
	down();
}

const struct scenario wrong_h264[] = {
	{"H.264: parameters after the start", set_too_late, "ORDER CVI_VENC_SetRcParam"},
	{"H.264: sent before the release", sent_before_release, "ORDER CVI_VENC_SendFrame"},
	{"H.264: frame released too early", frame_given_back, "USE_AFTER_RELEASE CVI_VPSS_ReleaseChnFrame"},
	{"H.264: released before anything was fetched", released_first, "CRASH CVI_VENC_ReleaseStream"},
	{"H.264: released twice", released_twice, "DOUBLE_RELEASE CVI_VENC_ReleaseStream"},
	{"H.264: fetched before the start", got_unstarted, "CRASH CVI_VENC_GetStream"},
	{"H.264: private data changed", private_data, "CRASH CVI_VENC_SendFrame"},
	{"H.264: waits without a timeout", waits_for_ever, "SIGNAL_UNSAFE CVI_VENC_SendFrame;ORDER CVI_VENC_GetStream"},
	{"H.264: frame of another size", other_size, "OVERRUN CVI_VENC_SendFrame"},
	{"H.264: sent although the thread has ended", sent_to_the_dead, "ORDER CVI_VENC_SendFrame"},
	{"H.264: stream never released", stream_left, "LEAK CVI_VENC_DestroyChn"},
	{0},
};
