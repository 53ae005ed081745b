/* MIPI receiver (libisp.so): reset lines, lanes and the sensor's clock. */
#ifndef MAIXSTREAM_CVI_MIPI_H
#define MAIXSTREAM_CVI_MIPI_H

#include "cvi_common.h"

#define MIPI_LANE_NUM 4
#define MIPI_DEMUX_NUM 4

enum input_mode_e {
	INPUT_MODE_MIPI = 0,
};

enum rx_mac_clk_e {
	RX_MAC_CLK_200M = 0,
	RX_MAC_CLK_300M = 1,
	RX_MAC_CLK_400M = 2,
	RX_MAC_CLK_500M = 3,
	RX_MAC_CLK_600M = 4,
};

enum cam_pll_freq_e {
	CAMPLL_FREQ_NONE = 0,
	CAMPLL_FREQ_37P125M = 1,
	CAMPLL_FREQ_25M = 2,
	CAMPLL_FREQ_27M = 3,
	CAMPLL_FREQ_24M = 4,
	CAMPLL_FREQ_26M = 5,
};

enum raw_data_type_e {
	RAW_DATA_8BIT = 0,
	RAW_DATA_10BIT = 1,
	RAW_DATA_12BIT = 2,
	YUV422_8BIT = 3,
	YUV422_10BIT = 4,
};

enum mipi_wdr_mode_e {
	CVI_MIPI_WDR_MODE_NONE = 0,
};

struct dphy_s {
	uint8_t enable;
	uint8_t hs_settle;
};

struct mipi_demux_info_s {
	uint32_t demux_en;
	uint8_t vc_mapping[4];
};

/* lane_id[0] is the clock lane, [1..4] are the data lanes; values are pad numbers, -1 is unused. */
struct mipi_dev_attr_s {
	enum raw_data_type_e raw_data_type;
	int16_t lane_id[5];
	enum mipi_wdr_mode_e wdr_mode;
	int16_t data_type[2];
	uint8_t pn_swap[5];
	struct dphy_s dphy;
	struct mipi_demux_info_s demux;
};

struct img_size_s {
	uint32_t width;
	uint32_t height;
};

struct manual_wdr_attr_s {
	uint32_t manual_en;
	uint16_t l2s_distance;
	uint16_t lsef_length;
	uint32_t discard_padding_lines;
	uint32_t update;
};

typedef struct {
	uint32_t cam;
	enum cam_pll_freq_e freq;
} SNS_MCLK_ATTR_S;

/* The sensor driver's description of its link; filled by pfnGetRxAttr and passed unchanged to CVI_MIPI_SetMipiAttr. */
typedef struct {
	enum input_mode_e input_mode;
	enum rx_mac_clk_e mac_clk;
	SNS_MCLK_ATTR_S mclk;
	union {
		struct mipi_dev_attr_s mipi_attr;
		uint32_t room_[37];
	};
	uint32_t devno;
	struct img_size_s img_size;
	struct manual_wdr_attr_s wdr_manu;
} SNS_COMBO_DEV_ATTR_S;

typedef struct {
	uint32_t u8Cam;
	uint32_t enFreq;
} SNS_MCLK_S;

/* These return a positive errno if the driver refuses, and -1 if the node is missing. */
int32_t CVI_MIPI_SetSensorReset(int32_t devno, uint32_t reset);
int32_t CVI_MIPI_SetMipiReset(int32_t devno, uint32_t reset);
int32_t CVI_MIPI_SetMipiAttr(int32_t ViPipe, const void *devAttr);
int32_t CVI_MIPI_SetSensorClock(int32_t devno, uint32_t enable);
int32_t CVI_MIPI_SetSnsMclk(SNS_MCLK_S *mclk);

#endif
