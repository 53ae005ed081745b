/* Incorrect callers: each breaks one rule, and the log reports that and nothing else. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpi.h"

static struct jpeg picture;
static VIDEO_FRAME_INFO_S f;
static VENC_PACK_S packs[8];
static VENC_STREAM_S s = {.pstPack = packs};

static void up(void) { CHECK(bring_up("") < 0, "bring-up failed"); }
static void frame(void) { CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 2000) == 0, "no frame"); }

static void frame_released_twice(void)
{
	up();
	frame();
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void frame_never_released(void)
{
	up();
	frame();
	tear_down("");
}

static void block_released_twice(void)
{
	uint64_t b;

	up();
	b = m.CVI_VB_GetBlock(VB_INVALID_POOLID, 1024);
	m.CVI_VB_ReleaseBlock(b);
	m.CVI_VB_ReleaseBlock(b);
	tear_down("");
}

static void junk_block(void)
{
	up();
	m.CVI_VB_ReleaseBlock(0x12345678);
	tear_down("");
}

static void stream_released_twice(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void stream_never_released(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void stream_changed(void)
{
	VENC_PACK_S other;

	up();
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	other = packs[0];
	s.pstPack = &other;
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void sent_and_not_fetched(void)
{
	up();
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	CHECK(m.CVI_VENC_SendFrame(0, &f, 100) == CVI_ERR_VENC_BUSY, "a second frame was accepted");
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void two_channels_interleaved(void)
{
	VENC_CHN_ATTR_S a;

	up();
	m.CVI_VENC_GetChnAttr(0, &a);
	m.CVI_VENC_CreateChn(1, &a);
	m.CVI_VENC_StartRecvFrame(1, &(VENC_RECV_PIC_PARAM_S){-1});
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	CHECK(m.CVI_VENC_SendFrame(1, &f, 100) == CVI_ERR_VENC_BUSY, "both channels encode at once");
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.CVI_VENC_StopRecvFrame(1);
	m.CVI_VENC_DestroyChn(1);
	tear_down("");
}

static void released_while_encoding(void)
{
	up();
	m.set("encode_us_per_mpixel=300000");
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	tear_down("");
}

static void sent_after_release(void)
{
	up();
	frame();
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	tear_down("");
}

static void bound_too_late(void)
{
	MMF_CHN_S from = {CVI_ID_VPSS, 0, 0}, to = {CVI_ID_VENC, 0, 0};

	up();
	m.CVI_SYS_Bind(&from, &to);
	CHECK(m.CVI_VENC_GetStream(0, &s, 200) != 0, "a stream without a thread");
	m.CVI_SYS_UnBind(&from, &to);
	tear_down("");
}

static void stopped_while_bound(void)
{
	setup.bind = true;
	up();
	next_jpeg(&picture);
	tear_down("unbind_venc");
}

static void wrong_size_for_encoder(void)
{
	VPSS_CHN_ATTR_S a;

	setup.bind = true;
	setup.depth = 0;
	up();
	m.CVI_VPSS_GetChnAttr(0, 0, &a);
	a.u32Width = 320;
	a.u32Height = 240;
	m.CVI_VPSS_SetChnAttr(0, 0, &a);
	for (int i = 0; i < 4; i++)
		next_jpeg(&picture);
	tear_down("");
}

static void unpadded(void)
{
	VB_POOL_CONFIG_S c = {.u32BlkSize = 640 * 360 * 3 / 2, .u32BlkCnt = 1};
	uint32_t pool;
	uint64_t block;

	up();
	pool = m.CVI_VB_CreatePool(&c);
	block = m.CVI_VB_GetBlock(pool, c.u32BlkSize);
	memset(&f, 0, sizeof f);
	f.stVFrame.u32Width = 640;
	f.stVFrame.u32Height = 360;
	f.stVFrame.enPixelFormat = PIXEL_FORMAT_NV21;
	f.stVFrame.u32Stride[0] = f.stVFrame.u32Stride[1] = 640;
	f.stVFrame.u64PhyAddr[0] = m.CVI_VB_Handle2PhysAddr(block);
	f.stVFrame.u64PhyAddr[1] = f.stVFrame.u64PhyAddr[0] + 640 * 360;
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	m.CVI_VENC_ReleaseStream(0, &s);
	m.CVI_VB_ReleaseBlock(block);
	m.CVI_VB_DestroyPool(pool);
	tear_down("");
}

static void pool_destroyed_in_use(void)
{
	VB_POOL_CONFIG_S c = {.u32BlkSize = 4096, .u32BlkCnt = 1};
	uint32_t pool;
	uint64_t block;

	up();
	pool = m.CVI_VB_CreatePool(&c);
	block = m.CVI_VB_GetBlock(pool, 4096);
	CHECK(m.CVI_VB_DestroyPool(pool) == 0, "an error was returned");
	m.CVI_VB_ReleaseBlock(block);
	m.CVI_VB_DestroyPool(pool);
	tear_down("");
}

static void small_pool(void)
{
	VB_POOL_CONFIG_S c = {.u32BlkSize = 4096, .u32BlkCnt = 3};
	uint32_t pool;

	up();
	pool = m.CVI_VB_CreatePool(&c);
	m.CVI_VPSS_AttachVbPool(0, 0, pool);
	tear_down("");
}

static void unknown_pool(void)
{
	up();
	m.CVI_VPSS_AttachVbPool(0, 0, 77);
	tear_down("");
}

static void mapping_left(void)
{
	up();
	frame();
	m.CVI_SYS_Mmap(f.stVFrame.u64PhyAddr[0], 4096);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void channel_created_twice(void)
{
	VENC_CHN_ATTR_S a;

	up();
	m.CVI_VENC_GetChnAttr(0, &a);
	m.CVI_VENC_CreateChn(0, &a);
	m.CVI_VENC_StartRecvFrame(0, &(VENC_RECV_PIC_PARAM_S){-1});
	tear_down("");
	m.report(); /* the first buffer leaks */
}

static void destroyed_unopened(void)
{
	up();
	m.CVI_VENC_DestroyChn(3);
	tear_down("");
}

static void destroyed_receiving(void)
{
	up();
	tear_down("stop_receive");
}

static void group_with_enabled_channel(void)
{
	up();
	tear_down("disable_vpss");
}

static void call_after_isp_exit(void)
{
	ISP_EXPOSURE_ATTR_S e;

	up();
	m.CVI_ISP_Exit(0);
	m.CVI_ISP_GetExposureAttr(0, &e);
	tear_down("isp_exit");
}

static void isp_exit_before_init(void)
{
	CHECK(bring_up("isp_init,isp_run,chn_attr,enable_chn") == -1, "the bring-up failed");
	m.CVI_ISP_Exit(0);
}

static void registered_without_memory(void)
{
	uint64_t phys;
	void *address;

	m.set("allow=LEAK");
	while (m.CVI_SYS_IonAlloc(&phys, &address, "all of it", 131072) == 0)
		;
	bring_up("vb_config,vb_init,sys_init,dev_num");
}

static void region_destroyed_attached(void)
{
	RGN_ATTR_S a = {.enType = OVERLAY_RGN, .unAttr.stOverlay = {.enPixelFormat = PIXEL_FORMAT_ARGB_8888, .stSize = {64, 32}, .u32CanvasNum = 1}};
	MMF_CHN_S chn = {CVI_ID_VPSS, 0, 0};
	RGN_CHN_ATTR_S d = {.bShow = 1};

	up();
	CHECK(m.CVI_RGN_Create(0, &a) == 0 && m.CVI_RGN_AttachToChn(0, &chn, &d) == 0, "no region");
	m.CVI_RGN_Destroy(0);
	tear_down("");
	m.report();
}

static void region_after_group(void)
{
	RGN_ATTR_S a = {.enType = OVERLAY_RGN, .unAttr.stOverlay = {.enPixelFormat = PIXEL_FORMAT_ARGB_8888, .stSize = {64, 32}, .u32CanvasNum = 1}};
	MMF_CHN_S chn = {CVI_ID_VPSS, 0, 0};
	RGN_CHN_ATTR_S d = {.bShow = 1};

	up();
	m.CVI_RGN_Create(0, &a);
	m.CVI_RGN_AttachToChn(0, &chn, &d);
	m.CVI_VPSS_DisableChn(0, 0);
	m.CVI_VPSS_ResetGrp(0);
	m.CVI_RGN_DetachFromChn(0, &chn);
	m.CVI_RGN_Destroy(0);
	tear_down("");
}

static void signals_open(void)
{
	sigset_t urg;

	up();
	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &urg, NULL);
	frame();
	pthread_sigmask(SIG_BLOCK, &urg, NULL);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	tear_down("");
}

static void *wait_for_stream(void *arg)
{
	VENC_PACK_S p[8];
	VENC_STREAM_S mine = {.pstPack = p};

	(void)arg;
	m.CVI_VENC_GetStream(0, &mine, 300);
	return NULL;
}

static void destroyed_under_a_wait(void)
{
	pthread_t t;

	setup.bind = true;
	up();
	m.set("unplug=1");
	usleep(100000);
	while (m.CVI_VENC_GetStream(0, &s, 100) == 0)
		m.CVI_VENC_ReleaseStream(0, &s);
	pthread_create(&t, NULL, wait_for_stream, NULL);
	usleep(50000);
	m.CVI_VENC_GetFd(0); /* a second caller that just waits its turn */
	pthread_join(t, NULL);
	pthread_create(&t, NULL, wait_for_stream, NULL);
	usleep(50000);
	tear_down("stop_receive");
	pthread_join(t, NULL);
}

static void wrong_lanes(void)
{
	RX_INIT_ATTR_S a = {.MipiDev = 0, .as16LaneId = {0, 1, 2, -1, -1}, .stMclkAttr = {.u8Mclk = 1, .bMclkEn = 1}};

	m.sensor->pfnPatchRxAttr(&a);
	CHECK(bring_up("patch") < 0, "bring-up failed");
	CHECK(m.CVI_VPSS_GetChnFrame(0, 0, &f, 200) == CVI_ERR_VPSS_BUF_EMPTY, "frames through the wrong lanes");
	tear_down("");
}

static void jpeg_used_after_release(void)
{
	/* An access would crash; the mapping shows that it is closed. */
	up();
	frame();
	m.CVI_VENC_SendFrame(0, &f, 1000);
	m.CVI_VENC_GetStream(0, &s, 1000);
	CHECK(access("/dev/null", R_OK) == 0 && packs[0].pu8Addr[0] == 0xff, "no picture");
	m.CVI_VENC_ReleaseStream(0, &s);
	CHECK(write(STDERR_FILENO, packs[0].pu8Addr, 1) < 0, "the stream can still be read");
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	m.CVI_SYS_Munmap(packs[0].pu8Addr, packs[0].u32Len);
	tear_down("");
}

const struct scenario wrong[] = {
	{"frame released twice", frame_released_twice, "DOUBLE_RELEASE CVI_VPSS_ReleaseChnFrame"},
	{"frame never released", frame_never_released, "LEAK CVI_VB_DestroyPool;LEAK CVI_VB_Exit"},
	{"block released twice", block_released_twice, "DOUBLE_RELEASE CVI_VB_ReleaseBlock"},
	{"invalid block", junk_block, "BAD_HANDLE CVI_VB_ReleaseBlock"},
	{"stream released twice", stream_released_twice, "DOUBLE_RELEASE CVI_VENC_ReleaseStream"},
	{"stream never released", stream_never_released, "LEAK CVI_VENC_DestroyChn"},
	{"stream changed", stream_changed, "BAD_HANDLE CVI_VENC_ReleaseStream"},
	{"sent and not fetched", sent_and_not_fetched, "ORDER CVI_VENC_SendFrame"},
	{"two JPEG channels interleaved", two_channels_interleaved, "ORDER CVI_VENC_SendFrame"},
	{"frame released while being encoded", released_while_encoding, "USE_AFTER_RELEASE CVI_VPSS_ReleaseChnFrame"},
	{"frame sent after release", sent_after_release, "USE_AFTER_RELEASE CVI_VENC_SendFrame"},
	{"bound after StartRecvFrame", bound_too_late, "ORDER CVI_SYS_Bind"},
	{"stopped while bound", stopped_while_bound,
		"ORDER CVI_VENC_StopRecvFrame;ORDER CVI_VENC_DestroyChn;LEAK CVI_SYS_Exit;ORDER CVI_VPSS_DestroyGrp"},
	{"encoder of another size", wrong_size_for_encoder, "OVERRUN VENC"},
	{"picture without padding", unpadded, "UNPADDED CVI_VENC_SendFrame"},
	{"pool destroyed in use", pool_destroyed_in_use, "LEAK CVI_VB_DestroyPool"},
	{"pool too small", small_pool, "ORDER CVI_VPSS_AttachVbPool;LEAK CVI_VB_Exit"},
	{"invalid pool", unknown_pool, "BAD_HANDLE CVI_VPSS_AttachVbPool"},
	{"mapping left", mapping_left, "LEAK CVI_SYS_Exit"},
	{"channel created twice", channel_created_twice, "LEAK CVI_VENC_CreateChn;LEAK report"},
	{"unopened channel destroyed", destroyed_unopened, "ORDER CVI_VENC_DestroyChn"},
	{"channel destroyed while receiving", destroyed_receiving, "ORDER CVI_VENC_DestroyChn"},
	{"group destroyed with a channel enabled", group_with_enabled_channel, "LEAK CVI_VPSS_DestroyGrp"},
	{"CVI_ISP_Exit before CVI_ISP_Init", isp_exit_before_init, "CRASH CVI_ISP_Exit;?ORDER CVI_SYS_Bind"},
	{"registered without memory", registered_without_memory, "CRASH pfnRegisterCallback;ORDER pfnRegisterCallback"},
	{"call after CVI_ISP_Exit", call_after_isp_exit, "LEAK CVI_ISP_GetExposureAttr;ORDER CVI_ISP_GetExposureAttr"},
	{"region destroyed while attached", region_destroyed_attached, "LEAK CVI_RGN_Destroy;LEAK report"},
	{"region detached after the group", region_after_group, "ORDER CVI_RGN_DetachFromChn"},
	{"wait with signals open", signals_open, "SIGNAL_UNSAFE CVI_VPSS_GetChnFrame"},
	{"channel destroyed under a wait", destroyed_under_a_wait, "THREAD CVI_VENC_DestroyChn;ORDER CVI_VENC_DestroyChn"},
	{"wrong lanes", wrong_lanes, "ORDER pfnPatchRxAttr"},
	{"stream used after release", jpeg_used_after_release, "BAD_HANDLE CVI_SYS_Munmap"},
	{0},
};
