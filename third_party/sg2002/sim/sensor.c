/*
 * The sensor objects. libsophgo-middleware.so has all seven; libsns_gc4653.so and libsns_full.so (built with OLD_VINTAGE) have
 * only gc4653, and of it only the 4-megapixel mode.
 */
#include <string.h>
#include <unistd.h>

#include "core.h"

struct driver {
	RX_INIT_ATTR_S init;
	int8_t bus;
};

static struct driver drivers[7];

static int32_t enter(struct sim_call *c, const char *name) { return sim_enter(c, name, CVI_ID_ISP, -1, 0); }

static int32_t patch_rx(int n, RX_INIT_ATTR_S *rx)
{
	const struct sim_sensor *s = &sim_sensors[n];
	struct sim_call c;
	int wiring;

	if (!enter(&c, "pfnPatchRxAttr"))
		return (int32_t)c.result;
	if (!rx)
		return (int32_t)sim_leave(&c, CVI_ERR_VI_INVALID_NULL_PTR);
	drivers[n].init = *rx;
	sim_camera.patched = true;
	sim_camera.miswired = false;
	wiring = sim_wiring();
	for (int i = 0; i < 5 && wiring >= 0 && rx->MipiDev < VI_MAX_DEV_NUM; i++)
		if (rx->as16LaneId[i] != s->lanes[wiring][i] || rx->as8PNSwap[i] != s->swaps[wiring][i])
			sim_camera.miswired = true;
	if (sim_camera.miswired)
		sim_fault(F_ORDER, "pfnPatchRxAttr", "lanes or polarities do not match this board: no frames will arrive");
	return (int32_t)sim_leave(&c, 0);
}

static int32_t set_init(int n, int32_t pipe, ISP_INIT_ATTR_S *attr)
{
	struct sim_call c;

	(void)n;
	if (!enter(&c, "pfnSetInit"))
		return (int32_t)c.result;
	if (pipe != 0 || !attr)
		return (int32_t)sim_leave(&c, CVI_ERR_VI_INVALID_NULL_PTR);
	sim_camera.initialised = true;
	return (int32_t)sim_leave(&c, 0);
}

static int32_t set_bus(int n, int32_t pipe, ISP_SNS_COMMBUS_U bus)
{
	struct sim_call c;

	if (!enter(&c, "pfnSetBusInfo"))
		return (int32_t)c.result;
	if (pipe != 0)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	drivers[n].bus = bus.s8I2cDev;
	sim_camera.bus = bus.s8I2cDev == 4;
	if (!sim_camera.bus)
		sim_fault(F_ORDER, "pfnSetBusInfo", "the camera is on i2c bus 4, not %d: no frames will arrive", bus.s8I2cDev);
	return (int32_t)sim_leave(&c, 0);
}

static int32_t register_callbacks(int n, int32_t pipe, ALG_LIB_S *ae, ALG_LIB_S *awb)
{
	struct sim_call c;

	if (!enter(&c, "pfnRegisterCallback"))
		return (int32_t)c.result;
	if (pipe != 0 || !ae || !awb || strcmp(ae->acLibName, CVI_AE_LIB_NAME) || strcmp(awb->acLibName, CVI_AWB_LIB_NAME))
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (!sim_self()->sys)
		sim_fault(F_ORDER, "pfnRegisterCallback", "CVI_SYS_Init must come first");
	if (!sim_camera.patched || !sim_camera.initialised || !sim_camera.bus)
		sim_fault(F_ORDER, "pfnRegisterCallback", "pfnPatchRxAttr, pfnSetInit and pfnSetBusInfo must come first");
	if (sim_camera.registered)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	sim_camera.exited = false;
	sim_isp_touch("pfnRegisterCallback");
	sim_camera.driver = &sim_sensors[n];
	sim_camera.registered = true;
	return (int32_t)sim_leave(&c, 0);
}

static int32_t unregister_callbacks(int n, int32_t pipe, ALG_LIB_S *ae, ALG_LIB_S *awb)
{
	struct sim_call c;

	if (!enter(&c, "pfnUnRegisterCallback"))
		return (int32_t)c.result;
	if (pipe != 0 || !ae || !awb)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	if (!sim_camera.registered || sim_camera.driver != &sim_sensors[n]) {
		sim_fault(F_ORDER, "pfnUnRegisterCallback", "this sensor is not registered");
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	}
	/* ISP_SHARED_BUFFER_0 stays if the ISP was never up, since only CVI_ISP_Exit frees it. */
	if (sim_camera.isp)
		sim_fault(F_ORDER, "pfnUnRegisterCallback", "CVI_ISP_Exit must come first");
	sim_camera.registered = sim_camera.imaged = sim_camera.wdr = sim_camera.probed = sim_camera.got_rx = false;
	sim_camera.patched = sim_camera.initialised = sim_camera.bus = false;
	sim_camera.driver = NULL;
	sim_camera.fps = 0;
	return (int32_t)sim_leave(&c, 0);
}

static const struct sim_mode *mode_for(const struct sim_sensor *s, const ISP_CMOS_SENSOR_IMAGE_MODE_S *m)
{
	int modes = 3;

#ifdef OLD_VINTAGE
	modes = 1;
#endif
	for (int i = 0; i < modes; i++)
		if (s->modes[i].width && m->u16Width == s->modes[i].width && m->u16Height == s->modes[i].height && m->f32Fps >= s->modes[i].min_fps &&
			m->f32Fps <= s->modes[i].fps)
			return &s->modes[i];
	return NULL;
}

static int32_t set_image_mode(int32_t pipe, ISP_CMOS_SENSOR_IMAGE_MODE_S *m)
{
	struct sim_call c;
	const struct sim_mode *mode;

	if (!enter(&c, "pfn_cmos_set_image_mode"))
		return (int32_t)c.result;
	if (!sim_camera.registered || pipe != 0 || !m)
		return (int32_t)sim_leave(&c, CVI_ERR_VI_INVALID_NULL_PTR);
	mode = mode_for(sim_camera.driver, m);
	if (!mode)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	sim_camera.width = mode->width;
	sim_camera.height = mode->height;
	sim_camera.fps = m->f32Fps;
	sim_camera.imaged = true;
	return (int32_t)sim_leave(&c, 0);
}

static int32_t set_wdr_mode(int32_t pipe, uint8_t mode)
{
	struct sim_call c;

	if (!enter(&c, "pfn_cmos_set_wdr_mode"))
		return (int32_t)c.result;
	if (!sim_camera.registered || pipe != 0)
		return (int32_t)sim_leave(&c, CVI_ERR_VI_INVALID_NULL_PTR);
	if (mode != 0)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	sim_camera.wdr = true;
	return (int32_t)sim_leave(&c, 0);
}

static void nothing(int32_t pipe) { (void)pipe; }

static int32_t sensor_functions(ISP_SENSOR_EXP_FUNC_S *f)
{
	struct sim_call c;

	if (!enter(&c, "pfnExpSensorCb"))
		return (int32_t)c.result;
	if (!f)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	memset(f, 0, sizeof *f);
	f->pfn_cmos_sensor_init = f->pfn_cmos_sensor_exit = f->pfn_cmos_sensor_global_init = nothing;
	f->pfn_cmos_set_image_mode = set_image_mode;
	f->pfn_cmos_set_wdr_mode = set_wdr_mode;
	return (int32_t)sim_leave(&c, 0);
}

static int32_t exposure_functions(AE_SENSOR_EXP_FUNC_S *f)
{
	(void)f;
	return CVI_FAILURE; /* for the exposure library, not for programs */
}

static int32_t get_rx(int n, int32_t pipe, SNS_COMBO_DEV_ATTR_S *rx)
{
	const RX_INIT_ATTR_S *init = &drivers[n].init;
	struct sim_call c;

	if (!enter(&c, "pfnGetRxAttr"))
		return (int32_t)c.result;
	if (!sim_camera.registered || sim_camera.driver != &sim_sensors[n] || pipe != 0 || !rx)
		return (int32_t)sim_leave(&c, CVI_ERR_VI_INVALID_NULL_PTR);
	*rx = sim_sensors[n].rx;
	if (init->stMclkAttr.bMclkEn)
		rx->mclk.cam = init->stMclkAttr.u8Mclk;
	if (init->MipiDev < VI_MAX_DEV_NUM) {
		rx->devno = init->MipiDev;
		for (int i = 0; i < 5; i++) {
			rx->mipi_attr.lane_id[i] = init->as16LaneId[i];
			rx->mipi_attr.pn_swap[i] = (uint8_t)init->as8PNSwap[i];
		}
	}
	rx->img_size.width = sim_camera.width;
	rx->img_size.height = sim_camera.height;
	sim_camera.got_rx = true;
	return (int32_t)sim_leave(&c, 0);
}

static int32_t probe(int n, int32_t pipe)
{
	struct sim_call c;

	if (!enter(&c, "pfnSnsProbe"))
		return (int32_t)c.result;
	if (!K->mipi.clock || K->mipi.reset)
		sim_fault(F_ORDER, "pfnSnsProbe", "the sensor has no clock or is in reset");
	if (pipe != 0 || sim_fitted() != &sim_sensors[n] || drivers[n].bus != 4 || !K->mipi.clock || K->mipi.reset)
		return (int32_t)sim_leave(&c, CVI_FAILURE);
	sim_camera.probed = true;
	return (int32_t)sim_leave(&c, 0);
}

static void patch_i2c(int32_t address) { (void)address; }
static void mirror_flip(int32_t pipe, ISP_SNS_MIRRORFLIP_TYPE_E type) { (void)pipe, (void)type; }
static int32_t write_register(int32_t pipe, int32_t address, int32_t data) { return (void)pipe, (void)address, (void)data, 0; }
static int32_t read_register(int32_t pipe, int32_t address) { return (void)pipe, (void)address, 0; }

/* An object's functions are not passed the object, so each object has its own. */
#define SENSOR(n, symbol, probe_function) \
	static int32_t register_##n(int32_t p, ALG_LIB_S *a, ALG_LIB_S *w) { return register_callbacks(n, p, a, w); } \
	static int32_t unregister_##n(int32_t p, ALG_LIB_S *a, ALG_LIB_S *w) { return unregister_callbacks(n, p, a, w); } \
	static int32_t bus_##n(int32_t p, ISP_SNS_COMMBUS_U b) { return set_bus(n, p, b); } \
	static int32_t init_##n(int32_t p, ISP_INIT_ATTR_S *a) { return set_init(n, p, a); } \
	static int32_t patch_##n(RX_INIT_ATTR_S *rx) { return patch_rx(n, rx); } \
	static int32_t rx_##n(int32_t p, SNS_COMBO_DEV_ATTR_S *rx) { return get_rx(n, p, rx); } \
	__attribute__((unused)) static int32_t probe_##n(int32_t p) { return probe(n, p); } \
	SIM_API ISP_SNS_OBJ_S symbol = {register_##n, unregister_##n, bus_##n, nothing, nothing, mirror_flip, write_register, read_register, init_##n, \
		patch_##n, patch_i2c, rx_##n, sensor_functions, exposure_functions, probe_function};

SENSOR(0, stSnsGc4653_Obj, probe_0)
#ifndef OLD_VINTAGE
SENSOR(1, stSnsSC035GS_Obj, NULL)
SENSOR(2, stSnsOv2685_Obj, probe_2)
SENSOR(3, stSnsGc02m1_Obj, probe_3)
SENSOR(4, stSnsGc030a_Obj, probe_4)
SENSOR(5, stSnsOs04a10_Obj, NULL)
SENSOR(6, stSnsLT6911_Obj, probe_6)
#endif
