#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpi.h"

struct mpi m;
struct setup setup;
int frame_timeout = 2000;

void check_at(const char *file, int line, bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
		return;
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(3);
}

static void *must(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	CHECK(p, "no symbol %s", name);
	return p;
}

/* Opened one by one, lazily, in the only order in which every data relocation resolves. */
void mpi_open(const char *dir, const char *sensor_library)
{
	static const char *const order[] = {"libsys.so", "libisp_algo.so", "libae.so", "libawb.so", "libisp.so", "libvpu.so", "libcvi_bin_isp.so",
		"libcvi_bin.so", "libvenc.so", "libaf.so", "libini.so", "libmisc.so"};
	char path[4096];

	dlopen("libatomic.so.1", RTLD_LAZY | RTLD_GLOBAL);
	for (size_t i = 0; i <= sizeof order / sizeof *order; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, i < sizeof order / sizeof *order ? order[i] : sensor_library);
		CHECK(dlopen(path, RTLD_LAZY | RTLD_GLOBAL), "%s", dlerror());
	}
#define X(function, library) m.function = must(#function);
	CVI_SYMBOLS(X)
#undef X
	m.report = must("maixsim_report");
	m.counter = must("maixsim_counter");
	m.set = must("maixsim_set");
	m.i2c = must("maixsim_i2c_transfer");
	m.poke = must("maixsim_poke");
	m.sensor = must("stSnsGc4653_Obj");
	setup = (struct setup){.sensor_w = 2560,
		.sensor_h = 1440,
		.w = 640,
		.h = 480,
		.fps = 30,
		.crop = true,
		.mirror = true,
		.flip = true,
		.quality = 80,
		.depth = 2,
		.blocks = 3,
		.jfif = true};
}

static uint32_t align(uint32_t v, uint32_t a) { return (v + a - 1) / a * a; }
static uint32_t nv21(uint32_t w, uint32_t h) { return align(w, 64) * align(h, 2) * 3 / 2; }

static ALG_LIB_S ae = {.acLibName = CVI_AE_LIB_NAME}, awb = {.acLibName = CVI_AWB_LIB_NAME};
static uint32_t vpss_pool = VB_INVALID_POOLID;
static pthread_t isp_thread;
static SNS_COMBO_DEV_ATTR_S rx;
static ISP_SENSOR_EXP_FUNC_S functions;
static const MMF_CHN_S vi = {CVI_ID_VI, 0, 0}, grp = {CVI_ID_VPSS, 0, 0}, venc = {CVI_ID_VENC, 0, 0};

static int32_t s_vb_config(void)
{
	VB_CONFIG_S c = {.u32MaxPoolCnt = 1, .astCommPool = {{.u32BlkSize = nv21(1440, 2560), .u32BlkCnt = 3, .enRemapMode = VB_REMAP_MODE_CACHED}}};

	return m.CVI_VB_SetConfig(&c);
}
static int32_t s_vb_init(void) { return m.CVI_VB_Init(); }
static int32_t s_sys_init(void) { return m.CVI_SYS_Init(); }
static int32_t s_dev_num(void) { return m.CVI_VI_SetDevNum(1); }
static int32_t s_patch(void)
{
	RX_INIT_ATTR_S a = {.MipiDev = 0, .as16LaneId = {4, 3, 2, -1, -1}, .stMclkAttr = {.u8Mclk = 1, .bMclkEn = 1}};

	return m.sensor->pfnPatchRxAttr(&a);
}
static int32_t s_set_init(void)
{
	ISP_INIT_ATTR_S a = {.enGainMode = SNS_GAIN_MODE_SHARE};

	return m.sensor->pfnSetInit(0, &a);
}
static int32_t s_bus(void) { return m.sensor->pfnSetBusInfo(0, (ISP_SNS_COMMBUS_U){.s8I2cDev = 4}); }
static int32_t s_register(void) { return m.sensor->pfnRegisterCallback(0, &ae, &awb); }
static int32_t s_image_mode(void)
{
	ISP_CMOS_SENSOR_IMAGE_MODE_S mode = {(uint16_t)setup.sensor_w, (uint16_t)setup.sensor_h, setup.fps, 0};

	int32_t rc = m.sensor->pfnExpSensorCb(&functions);

	return rc ? rc : functions.pfn_cmos_set_image_mode(0, &mode);
}
static int32_t s_wdr(void)
{
	int32_t rc = m.sensor->pfnExpSensorCb(&functions);

	return rc ? rc : functions.pfn_cmos_set_wdr_mode(0, 0);
}
static int32_t s_dev_attr(void)
{
	VI_DEV_ATTR_S a = {.enIntfMode = VI_MODE_MIPI,
		.enScanMode = VI_SCAN_PROGRESSIVE,
		.as32AdChnId = {-1, -1, -1, -1},
		.enDataSeq = VI_DATA_SEQ_YUYV,
		.enInputDataType = VI_DATA_TYPE_RGB,
		.stSize = {setup.sensor_w, setup.sensor_h},
		.stWDRAttr = {.u32CacheLine = setup.sensor_h},
		.enBayerFormat = BAYER_FORMAT_GR,
		.snrFps = (uint32_t)setup.fps};

	return m.CVI_VI_SetDevAttr(0, &a);
}
static int32_t s_enable_dev(void) { return m.CVI_VI_EnableDev(0); }
static int32_t s_get_rx(void) { return m.sensor->pfnGetRxAttr(0, &rx); }
static int32_t s_reset(void) { return m.CVI_MIPI_SetSensorReset(0, 1); }
static int32_t s_mipi_reset(void) { return m.CVI_MIPI_SetMipiReset(0, 1); }
static int32_t s_mipi_attr(void) { return m.CVI_MIPI_SetMipiAttr(0, &rx); }
static int32_t s_clock(void) { return m.CVI_MIPI_SetSensorClock(0, 1); }
static int32_t s_unreset(void) { return usleep(20), m.CVI_MIPI_SetSensorReset(0, 0); }
static int32_t s_probe(void) { return m.sensor->pfnSnsProbe(0); }
static int32_t s_create_pipe(void)
{
	VI_PIPE_ATTR_S a = {.u32MaxW = setup.sensor_w,
		.u32MaxH = setup.sensor_h,
		.enPixFmt = PIXEL_FORMAT_RGB_BAYER_12BPP,
		.enCompressMode = COMPRESS_MODE_TILE,
		.enBitWidth = DATA_BITWIDTH_12,
		.bNrEn = 1,
		.stFrameRate = {-1, -1}};

	return m.CVI_VI_CreatePipe(0, &a);
}
static int32_t s_start_pipe(void) { return m.CVI_VI_StartPipe(0); }
static int32_t s_ae(void) { return m.CVI_AE_Register(0, &ae); }
static int32_t s_awb(void) { return m.CVI_AWB_Register(0, &awb); }
static int32_t s_bind_attr(void)
{
	ISP_BIND_ATTR_S a = {.stAeLib = ae, .stAwbLib = awb};

	return m.CVI_ISP_SetBindAttr(0, &a);
}
static int32_t s_mem_init(void) { return m.CVI_ISP_MemInit(0); }
static int32_t s_pub(void)
{
	ISP_PUB_ATTR_S a = {.stWndRect = {0, 0, setup.sensor_w, setup.sensor_h},
		.stSnsSize = {setup.sensor_w, setup.sensor_h},
		.f32FrameRate = setup.fps,
		.enBayer = BAYER_RGGB};

	return m.CVI_ISP_SetPubAttr(0, &a);
}
static int32_t s_statistics(void)
{
	ISP_STATISTICS_CFG_S a;

	m.CVI_ISP_GetStatisticsConfig(0, &a);
	a.unKey.u64Key |= ISP_STATISTICS_CTRL_U__bit1FEAeGloStat;
	return m.CVI_ISP_SetStatisticsConfig(0, &a);
}
static int32_t s_isp_init(void) { return m.CVI_ISP_Init(0); }

static void *run_isp(void *arg)
{
	(void)arg;
	m.CVI_ISP_Run(0);
	return NULL;
}

static int32_t s_isp_run(void)
{
	int rc = pthread_create(&isp_thread, NULL, run_isp, NULL);

	usleep(5000);
	return rc;
}
static int32_t s_chn_attr(void)
{
	VI_CHN_ATTR_S a = {.stSize = {setup.sensor_w, setup.sensor_h},
		.enPixelFormat = PIXEL_FORMAT_NV21,
		.enCompressMode = COMPRESS_MODE_TILE,
		.stFrameRate = {-1, -1},
		.u32BindVbPool = VB_INVALID_POOLID};

	return m.CVI_VI_SetChnAttr(0, 0, &a);
}
static int32_t s_enable_chn(void) { return m.CVI_VI_EnableChn(0, 0); }
static int32_t s_grp(void)
{
	VPSS_GRP_ATTR_S a = {.u32MaxW = setup.sensor_w, .u32MaxH = setup.sensor_h, .enPixelFormat = PIXEL_FORMAT_NV21, .stFrameRate = {-1, -1}};

	return m.CVI_VPSS_CreateGrp(0, &a);
}
static int32_t s_reset_grp(void) { return m.CVI_VPSS_ResetGrp(0); }
static int32_t s_start_grp(void) { return m.CVI_VPSS_StartGrp(0); }
static int32_t s_pool(void)
{
	VB_POOL_CONFIG_S c = {.u32BlkSize = nv21(setup.w, setup.h), .u32BlkCnt = setup.blocks, .enRemapMode = VB_REMAP_MODE_CACHED};

	vpss_pool = m.CVI_VB_CreatePool(&c);
	return vpss_pool < 512 ? 0 : -1;
}
static int32_t s_crop(void)
{
	VPSS_CROP_INFO_S c = {.bEnable = 1, .enCropCoordinate = VPSS_CROP_ABS_COOR};
	double sw = (double)setup.sensor_w / setup.w, sh = (double)setup.sensor_h / setup.h, s = sw < sh ? sw : sh;

	if (!setup.crop)
		return 0;
	c.stCropRect.u32Width = (uint32_t)(setup.w * s);
	c.stCropRect.u32Height = (uint32_t)(setup.h * s);
	c.stCropRect.s32X = (int32_t)(setup.sensor_w - c.stCropRect.u32Width) / 2;
	c.stCropRect.s32Y = (int32_t)(setup.sensor_h - c.stCropRect.u32Height) / 2;
	return m.CVI_VPSS_SetChnCrop(0, 0, &c);
}
static int32_t s_vpss_attr(void)
{
	VPSS_CHN_ATTR_S a = {.u32Width = setup.w,
		.u32Height = setup.h,
		.enPixelFormat = PIXEL_FORMAT_NV21,
		.stFrameRate = {-1, -1},
		.bMirror = setup.mirror,
		.bFlip = setup.flip,
		.u32Depth = setup.depth,
		.stAspectRatio = {.enMode = ASPECT_RATIO_AUTO, .bEnableBgColor = 1}};

	return m.CVI_VPSS_SetChnAttr(0, 0, &a);
}
static int32_t s_attach(void) { return m.CVI_VPSS_AttachVbPool(0, 0, vpss_pool); }
static int32_t s_enable_vpss(void) { return m.CVI_VPSS_EnableChn(0, 0); }
static int32_t s_bind_vi(void) { return m.CVI_SYS_Bind(&vi, &grp); }
static int32_t s_mod_param(void)
{
	VENC_PARAM_MOD_S p = {.enVencModType = MODTYPE_JPEGE};
	int32_t rc = m.CVI_VENC_GetModParam(&p);

	p.stJpegeModParam.enJpegeFormat = setup.jfif ? JPEGE_FORMAT_TYPE_1 : JPEGE_FORMAT_DEFAULT;
	return rc ? rc : m.CVI_VENC_SetModParam(&p);
}
static int32_t s_venc(void)
{
	VENC_CHN_ATTR_S a = {.stVencAttr = {.enType = PT_JPEG,
							 .u32MaxPicWidth = setup.w,
							 .u32MaxPicHeight = setup.h,
							 .u32PicWidth = setup.w,
							 .u32PicHeight = setup.h,
							 .u32BufSize = 1 << 20,
							 .bByFrame = 1},
		.stRcAttr = {.enRcMode = VENC_RC_MODE_MJPEGFIXQP, .stMjpegFixQp = {30, 30, setup.quality, 0}}};

	return m.CVI_VENC_CreateChn(0, &a);
}
static int32_t s_jpeg_param(void)
{
	VENC_JPEG_PARAM_S p;
	int32_t rc = m.CVI_VENC_GetJpegParam(0, &p);

	p.u32Qfactor = setup.quality;
	return rc ? rc : m.CVI_VENC_SetJpegParam(0, &p);
}
static int32_t s_bind_venc(void) { return setup.bind ? m.CVI_SYS_Bind(&grp, &venc) : 0; }
static int32_t s_receive(void) { return m.CVI_VENC_StartRecvFrame(0, &(VENC_RECV_PIC_PARAM_S){-1}); }

static const struct step {
	const char *name;
	int32_t (*run)(void);
} steps[] = {
	{"vb_config", s_vb_config},
	{"vb_init", s_vb_init},
	{"sys_init", s_sys_init},
	{"dev_num", s_dev_num},
	{"patch", s_patch},
	{"set_init", s_set_init},
	{"bus", s_bus},
	{"register", s_register},
	{"image_mode", s_image_mode},
	{"wdr", s_wdr},
	{"dev_attr", s_dev_attr},
	{"enable_dev", s_enable_dev},
	{"get_rx", s_get_rx},
	{"reset", s_reset},
	{"mipi_reset", s_mipi_reset},
	{"mipi_attr", s_mipi_attr},
	{"clock", s_clock},
	{"unreset", s_unreset},
	{"probe", s_probe},
	{"create_pipe", s_create_pipe},
	{"start_pipe", s_start_pipe},
	{"ae", s_ae},
	{"awb", s_awb},
	{"bind_attr", s_bind_attr},
	{"mem_init", s_mem_init},
	{"pub", s_pub},
	{"statistics", s_statistics},
	{"isp_init", s_isp_init},
	{"isp_run", s_isp_run},
	{"chn_attr", s_chn_attr},
	{"enable_chn", s_enable_chn},
	{"grp", s_grp},
	{"reset_grp", s_reset_grp},
	{"start_grp", s_start_grp},
	{"pool", s_pool},
	{"crop", s_crop},
	{"vpss_attr", s_vpss_attr},
	{"attach", s_attach},
	{"enable_vpss", s_enable_vpss},
	{"bind_vi", s_bind_vi},
	{"mod_param", s_mod_param},
	{"venc", s_venc},
	{"jpeg_param", s_jpeg_param},
	{"bind_venc", s_bind_venc},
	{"receive", s_receive},
};
#define STEPS (int)(sizeof steps / sizeof *steps)

static bool done[STEPS];

const char *step_name(int step) { return step < STEPS ? steps[step].name : NULL; }

static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p && (p = strstr(p, name)); p += n)
		if ((p == list || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

int bring_up(const char *skip)
{
	for (int i = 0; i < STEPS; i++) {
		if (listed(skip, steps[i].name))
			continue;
		if (steps[i].run() != 0)
			return i;
		done[i] = true;
	}
	return -1;
}

static bool did(const char *name)
{
	for (int i = 0; i < STEPS; i++)
		if (!strcmp(steps[i].name, name)) {
			bool was = done[i];

			done[i] = false;
			return was;
		}
	return false;
}

void tear_down(const char *skip)
{
#define UNDO(step, name, call) \
	if (did(step) && !listed(skip, name)) \
	call
	bool bound = did("bind_venc") && setup.bind, receiving = did("receive"), registered = did("register");

	if (bound && !listed(skip, "unbind_venc"))
		m.CVI_SYS_UnBind(&grp, &venc);
	if (receiving && !listed(skip, "stop_receive"))
		m.CVI_VENC_StopRecvFrame(0);
	UNDO("venc", "destroy_venc", m.CVI_VENC_DestroyChn(0));
	UNDO("bind_vi", "unbind_vi", m.CVI_SYS_UnBind(&vi, &grp));
	UNDO("enable_vpss", "disable_vpss", m.CVI_VPSS_DisableChn(0, 0));
	UNDO("attach", "detach", m.CVI_VPSS_DetachVbPool(0, 0));
	UNDO("start_grp", "stop_grp", m.CVI_VPSS_StopGrp(0));
	UNDO("grp", "destroy_grp", m.CVI_VPSS_DestroyGrp(0));
	UNDO("pool", "destroy_pool", m.CVI_VB_DestroyPool(vpss_pool));
	UNDO("isp_init", "isp_exit", m.CVI_ISP_Exit(0));
	UNDO("isp_run", "isp_join", pthread_join(isp_thread, NULL));
	if (registered && !listed(skip, "unregister"))
		m.sensor->pfnUnRegisterCallback(0, &ae, &awb);
	UNDO("ae", "un_ae", m.CVI_AE_UnRegister(0, &ae));
	UNDO("awb", "un_awb", m.CVI_AWB_UnRegister(0, &awb));
	UNDO("enable_chn", "disable_chn", m.CVI_VI_DisableChn(0, 0));
	UNDO("start_pipe", "stop_pipe", m.CVI_VI_StopPipe(0));
	UNDO("create_pipe", "destroy_pipe", m.CVI_VI_DestroyPipe(0));
	UNDO("enable_dev", "disable_dev", m.CVI_VI_DisableDev(0));
	UNDO("sys_init", "sys_exit", m.CVI_SYS_Exit());
	UNDO("vb_init", "vb_exit", m.CVI_VB_Exit());
	memset(done, 0, sizeof done);
#undef UNDO
}

static int fetch(struct jpeg *j)
{
	VENC_PACK_S packs[8];
	VENC_STREAM_S s = {.pstPack = packs};
	int32_t rc = m.CVI_VENC_GetStream(0, &s, 1000);

	if (rc)
		return rc;
	j->len = packs[0].u32Len - packs[0].u32Offset;
	j->pts = packs[0].u64PTS;
	CHECK(j->len <= sizeof j->data, "a JPEG of %u bytes", j->len);
	memcpy(j->data, packs[0].pu8Addr + packs[0].u32Offset, j->len);
	return m.CVI_VENC_ReleaseStream(0, &s);
}

int next_jpeg(struct jpeg *j)
{
	VIDEO_FRAME_INFO_S f;
	int32_t rc;

	if (setup.bind) {
		struct pollfd p = {.fd = m.CVI_VENC_GetFd(0), .events = POLLIN};

		return poll(&p, 1, 2000) == 1 ? fetch(j) : -1000;
	}
	rc = m.CVI_VPSS_GetChnFrame(0, 0, &f, frame_timeout);
	if (rc)
		return rc;
	rc = m.CVI_VENC_SendFrame(0, &f, 1000);
	if (!rc)
		rc = fetch(j);
	m.CVI_VPSS_ReleaseChnFrame(0, 0, &f);
	return rc;
}
