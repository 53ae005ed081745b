/* The sensors that a board may have, what answers on i2c, and the conditions for frames to arrive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core_private.h"

#define RX(clock, data, settle, pll, device) \
	{ \
		.input_mode = INPUT_MODE_MIPI, .mac_clk = clock, .mclk = {.cam = 0, .freq = pll}, .devno = device, .mipi_attr = { \
			.raw_data_type = data, \
			.lane_id = {-1, -1, -1, -1, -1}, \
			.dphy = {.enable = (settle) != 0, .hs_settle = settle} \
		} \
	}

const struct sim_sensor sim_sensors[] = {
	{.name = "gc4653",
		.address = 0x29,
		.id_bytes = 2,
		.id_register = 0x03F0,
		.id = {0x46, 0x53},
		.id_size = 2,
		.probes = true,
		.needs_clock_pad = true,
		.modes = {{2560, 1440, 2.75f, 30}, {1280, 720, 30.001f, 60}},
		.lanes = {{4, 3, 2, -1, -1}, {0, 1, 2, -1, -1}},
		.swaps = {{0}, {1, 1, 1, 0, 0}},
		.rx = RX(RX_MAC_CLK_200M, RAW_DATA_10BIT, 0, CAMPLL_FREQ_24M, 0)},
	{.name = "sc035gs",
		.address = 0x30,
		.needs_clock_pad = true,
		.modes = {{640, 480, 0.31f, 240}},
		.lanes = {{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}},
		.swaps = {{0}, {1, 1, 0, 0, 0}},
		.rx = RX(RX_MAC_CLK_600M, RAW_DATA_10BIT, 8, CAMPLL_FREQ_24M, 0)},
	{.name = "ov2685",
		.address = 0x3c,
		.address2 = 0x48,
		.id_bytes = 2,
		.id_register = 0x300A,
		.id = {0x26, 0x85},
		.id_size = 2,
		.probes = true,
		.needs_clock_pad = true,
		.modes = {{1600, 1200, 2.75f, 30}},
		.lanes = {{4, 3, 2, -1, -1}, {0, 1, 2, -1, -1}},
		.swaps = {{1, 1, 1, 0, 0}, {0}},
		.rx = RX(RX_MAC_CLK_600M, RAW_DATA_10BIT, 8, CAMPLL_FREQ_24M, 0)},
	{.name = "gc02m1",
		.address = 0x37,
		.id_bytes = 1,
		.id_register = 0xF0,
		.id = {0x02, 0xE0},
		.id_size = 2,
		.probes = true,
		.needs_clock_pad = true,
		.modes = {{1600, 1200, 2.32f, 30}},
		.lanes = {{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}},
		.swaps = {{0}, {1, 1, 0, 0, 0}},
		.rx = RX(RX_MAC_CLK_200M, RAW_DATA_10BIT, 0, CAMPLL_FREQ_27M, 0)},
	{.name = "gc030a",
		.address = 0x21,
		.id_bytes = 1,
		.id_register = 0xF0,
		.id = {0x03, 0x0A},
		.id_size = 2,
		.probes = true,
		.needs_clock_pad = true,
		.modes = {{640, 480, 0.92f, 30}},
		.lanes = {{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}},
		.swaps = {{0}, {1, 1, 0, 0, 0}},
		.rx = RX(RX_MAC_CLK_200M, RAW_DATA_10BIT, 0, CAMPLL_FREQ_24M, 0)},
	{.name = "os04a10",
		.address = 0x36,
		.id_bytes = 2,
		.id_register = 0x300A,
		.id = {0x53, 0x04, 0x41},
		.id_size = 3,
		.modes = {{2560, 1440, 0.74f, 30}, {1280, 720, 30.001f, 90}},
		.lanes = {{2, 1, 3, 0, 4}, {2, 3, 1, 4, 0}},
		.swaps = {{0}, {1, 1, 1, 1, 1}},
		.rx = RX(RX_MAC_CLK_400M, RAW_DATA_12BIT, 8, CAMPLL_FREQ_25M, 0)},
	{.name = "lt6911",
		.address = 0x2b,
		.id_bytes = 1,
		.id_register = 0xA0,
		.id = {0x16, 0x05},
		.id_size = 2,
		.probes = true,
		.modes = {{1920, 1080, 2, 60}},
		.lanes = {{2, 4, 3, 1, 0}, {2, 0, 1, 3, 4}},
		.swaps = {{0}, {1, 1, 1, 1, 1}},
		.rx = RX(RX_MAC_CLK_600M, YUV422_8BIT, 8, CAMPLL_FREQ_NONE, 1)},
	{0},
};

struct sim_camera sim_camera = {
	/* until the program changes it */
	.longest = 363636,
	.tone = {.exposure = SIM_EXPOSURE, .gain = SIM_GAIN, .bias = 1024, .red = 1024, .blue = 1024, .saturation = SIM_SATURATION},
};

int sim_wiring(void)
{
	char line[128], path[4200];
	const char *board = sim_text("board", NULL);
	int wiring = 0;
	FILE *f;

	if (board)
		return !strcmp(board, "maixcam_pro");
	if (!*sim_root())
		return 0;
	snprintf(path, sizeof path, "%s/boot/board", sim_root());
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f)) {
		if (!strncmp(line, "id=maixcam_pro", 14) && wiring == 0)
			wiring = 1;
		if (!strncmp(line, "lane_id", 7) || !strncmp(line, "pn_swap", 7))
			wiring = -1;
	}
	fclose(f);
	return wiring;
}

static bool is_pro(void) { return sim_wiring() == 1; }

const struct sim_sensor *sim_fitted(void)
{
	const char *name = sim_text("sensor", "gc4653");
	bool pads;

	if (sim_setting("unplug", 0))
		return NULL;
	for (const struct sim_sensor *s = sim_sensors; s->name; s++) {
		if (strcmp(s->name, name))
			continue;
		/* Without a clock on its pad, a sensor does not answer. */
		pads = is_pro() ? K->pads[0] == 5 : K->pads[1] == 5;
		return s->needs_clock_pad && !pads ? NULL : s;
	}
	return NULL;
}

/* How the sensor is mounted: on MaixCAM upside down, so that its driver's picture needs mirror and flip. */
int sim_mount(void) { return (int)sim_setting("mount", is_pro() ? 0 : 180); }

/* unplug_at or stall_at = FRAME:MILLISECONDS: once, after that many frames. */
static bool pulled(const char *key, uint64_t *since)
{
	unsigned long frame = 0, ms = 0;

	if (sscanf(sim_text(key, ""), "%lu:%lu", &frame, &ms) != 2) {
		*since = 0;
		return false;
	}
	if (K->vi.frames < frame)
		return false;
	if (!*since)
		*since = sim_now();
	return sim_now() < *since + ms * 1000;
}

void sim_camera_missing(char *text, size_t size)
{
	const struct sim_camera *c = &sim_camera;
	const struct {
		bool there;
		const char *what;
	} need[] = {
		{c->patched, "pfnPatchRxAttr"},
		{c->initialised, "pfnSetInit"},
		{c->bus, "pfnSetBusInfo"},
		{c->registered, "pfnRegisterCallback"},
		{c->imaged, "pfn_cmos_set_image_mode"},
		{c->wdr, "pfn_cmos_set_wdr_mode"},
		{K->vi.has_dev, "CVI_VI_SetDevAttr"},
		{K->vi.dev, "CVI_VI_EnableDev"},
		{K->mipi.has_attr, "CVI_MIPI_SetMipiAttr"},
		{K->mipi.clock, "CVI_MIPI_SetSensorClock"},
		{!K->mipi.reset, "CVI_MIPI_SetSensorReset(devno, 0)"},
		{K->vi.pipe, "CVI_VI_CreatePipe"},
		{K->vi.started, "CVI_VI_StartPipe"},
		{c->ae, "CVI_AE_Register"},
		{c->awb, "CVI_AWB_Register"},
		{c->bound, "CVI_ISP_SetBindAttr"},
		{c->memory, "CVI_ISP_MemInit"},
		{c->published, "CVI_ISP_SetPubAttr"},
		{c->statistics, "CVI_ISP_SetStatisticsConfig"},
		{c->isp, "CVI_ISP_Init"},
	};
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof need / sizeof *need; i++)
		if (!need[i].there && n < size)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", need[i].what);
}

float sim_camera_fps(void)
{
	char missing[512];
	const struct sim_sensor *fitted = sim_fitted();
	float fps = sim_camera.fps;
	static uint64_t unplugged, stalled;

	sim_camera_missing(missing, sizeof missing);
	if (missing[0] || !fitted || sim_camera.deaf || sim_camera.miswired || fitted != sim_camera.driver || pulled("unplug_at", &unplugged) ||
		pulled("stall_at", &stalled) || sim_setting("stall_frames", 0))
		return 0;
	if (sim_setting("sensor_fps", 0) > 0) /* faster than any sensor, for long runs */
		fps = (float)sim_setting("sensor_fps", 0);
	if (sim_setting("dark", 0) && fps > 1e6f / (float)sim_camera.longest)
		fps = 1e6f / (float)sim_camera.longest;
	return fps;
}

void sim_isp_touch(const char *call)
{
	if (sim_camera.shared)
		return;
	if (sim_camera.exited)
		sim_fault(F_LEAK, call, "after CVI_ISP_Exit this allocates ISP_SHARED_BUFFER_0 again");
	sim_camera.shared = sim_request("SYS_ION_ALLOC") ? sim_ion_alloc("ISP_SHARED_BUFFER_0", 291424) : 0;
	if (sim_camera.shared)
		return;
	sim_crash(call, "no ION memory for ISP_SHARED_BUFFER_0");
}

/* ---- hooks ---- */

int32_t maixsim_i2c_transfer(int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len)
{
	const struct sim_sensor *s;
	int32_t rc = -ENXIO;
	uint32_t reg = 0;

	sim_lock();
	sim_settings_poll();
	if (!sim_node("/dev/i2c-4") || bus != 4) {
		sim_unlock();
		return -ENODEV;
	}
	if (in_len > 0)
		memset(in, 0, (size_t)in_len);
	s = sim_fitted();
	if (addr == 0x14) {
		rc = 0; /* the touch controller, on the same bus */
	} else if (s && (addr == s->address || (s->address2 && addr == s->address2))) {
		rc = 0;
		for (int i = 0; i < out_len && i < 2; i++)
			reg = reg << 8 | out[i];
		for (int i = 0; i < in_len; i++)
			if (out_len == s->id_bytes && reg + (uint32_t)i >= s->id_register && reg + (uint32_t)i < (uint32_t)s->id_register + s->id_size)
				in[i] = s->id[reg + (uint32_t)i - s->id_register];
	}
	sim_unlock();
	return rc;
}

static uint32_t *pad(uint64_t addr)
{
	static uint32_t others[64];

	if (addr == 0x0300116C)
		return &K->pads[0];
	if (addr == 0x0300118C)
		return &K->pads[1];
	if (addr >= 0x03001000 && addr < 0x03001400 && addr % 4 == 0)
		return &others[(addr / 4) % 64];
	return NULL;
}

int32_t maixsim_poke(uint64_t addr, uint32_t value)
{
	uint32_t *p;

	sim_lock();
	p = sim_node("/dev/mem") ? pad(addr) : NULL;
	if (p)
		*p = value;
	sim_unlock();
	return p ? 0 : -EFAULT;
}

int32_t maixsim_peek(uint64_t addr, uint32_t *value)
{
	uint32_t *p;

	sim_lock();
	p = sim_node("/dev/mem") ? pad(addr) : NULL;
	if (p)
		*value = *p;
	sim_unlock();
	return p ? 0 : -EFAULT;
}
