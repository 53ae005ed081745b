/*
 * The state that the chip's drivers would hold. It is in a file that all processes with the same MAIXSIM_DIR map, so that it
 * outlives them: a killed process leaves its state behind for the next one to find. Fixed layout (LP64, little endian), no
 * pointers, no locks: amd64 and riscv64 processes may share it.
 */
#ifndef MAIXSIM_KERNEL_H
#define MAIXSIM_KERNEL_H

#include "../include/cvi_common.h"
#include "../include/cvi_rgn.h"
#include "../include/cvi_sys.h"
#include "../include/cvi_venc.h"
#include "../include/cvi_vi.h"
#include "../include/cvi_vpss.h"

#define K_MAGIC 0x4D58494Du
#define K_PROCS 32
#define K_IONS 768
#define K_POOLS 512
#define K_BLOCKS VB_POOL_MAX_BLK
#define K_QUEUE 16
#define K_BINDS 64
#define K_ION_BASE 0x89500000ull /* physical address of the carveout */
#define K_HANDLE_BASE 0xffffffe000000000ull

/* Possible holders of a reference to a block. */
enum k_holder { H_USER, H_FRAME, H_QUEUE, H_VI, H_VPSS, H_VENC, H_KINDS };

struct k_proc {
	int32_t pid;
	uint64_t start;    /* start time of the process, which tells reused pids apart */
	uint64_t instance; /* which copy of libsys.so registered it */
	uint8_t sys, vb, vi, base;
};

struct k_ion {
	uint8_t used;
	uint8_t fixed; /* belongs to the firmware, cannot be freed */
	uint8_t lost;  /* leaked by the vendor's library, not the program's fault */
	int32_t pid;
	uint32_t size;
	uint64_t phys;
	char name[32];
};

struct k_pool {
	uint8_t used, common;
	int32_t pid;
	uint32_t blk_size, blk_count, min_free;
	uint64_t phys;
	char name[MAX_VB_POOL_NAME_LEN];
	uint8_t refs[K_BLOCKS][H_KINDS];
};

/* A picture in a block, in transit. */
struct k_frame {
	uint64_t phys[3], pts;
	uint32_t stride[3], length[3];
	uint32_t width, height, format, seq;
	int32_t pool, block; /* -1: not in a pool */
};

struct k_vpss_chn {
	uint8_t enabled, has_attr;
	VPSS_CHN_ATTR_S attr;
	VPSS_CROP_INFO_S crop;
	uint32_t align, pool; /* pool: VB_INVALID_POOLID if none is attached */
	int32_t waiters, queued, frc;
	struct k_frame queue[K_QUEUE];
	uint32_t sent, dropped;
};

struct k_grp {
	uint8_t created, started;
	int32_t pid;
	VPSS_GRP_ATTR_S attr;
	VPSS_CROP_INFO_S crop;
	struct k_vpss_chn chn[VPSS_MAX_CHN_NUM];
	uint8_t has_input;
	struct k_frame input; /* the input queue's only slot, for SendFrame */
};

enum k_stream { STREAM_NONE, STREAM_BUSY, STREAM_READY, STREAM_OUT, STREAM_FAILED };

enum { K_PACKS = 8 };

/* Additional state of an H.264 channel. */
struct k_h264 {
	uint64_t instance; /* counts how often StartRecvFrame opened the encoder; 0: never */
	uint64_t work, recon[2];
	VENC_RC_PARAM_S rc;
	VENC_H264_ENTROPY_S entropy;
	VENC_H264_VUI_S vui;
	uint8_t cavlc;            /* requested, with baseline profile */
	uint8_t idr, instant;     /* requested */
	uint8_t half;             /* the next picture gets half the bits: one did not fit */
	uint8_t dead;             /* the driver's thread has ended: no more streams arrive */
	uint8_t got;              /* a stream was fetched at least once */
	uint8_t bad_gop;          /* set by SetChnAttr, detected by SendFrame */
	uint32_t format, gop, at; /* pixels of the first frame; the encoder's GOP, and the next picture's position in it */
	uint32_t kilobits, rate;  /* in use: 1000 bit/s, fr32 */
	uint32_t left, offset;    /* u32LeftStreamFrames; offset of the next picture in the buffer */
	uint32_t parts, refused;  /* packs of the stream; consecutive BUSY results of GetStream */
	struct {
		uint64_t phys;
		uint32_t len, type;
	} pack[K_PACKS];
};

struct k_venc {
	uint8_t created, receiving, thread, waiting;
	int32_t pid;
	uint64_t made; /* counts how often the channel was created */
	VENC_CHN_ATTR_S attr;
	VENC_JPEG_PARAM_S jpeg;
	VENC_CHN_PARAM_S param;
	uint64_t phys, big_phys; /* stream buffer; a second one if a picture does not fit */
	uint32_t buf_size, big_size;
	int32_t left; /* pictures to receive, -1: unlimited */
	enum k_stream stream;
	uint8_t from_send;        /* the stream comes from SendFrame, so it holds the JPEG lock */
	struct k_frame frame;     /* being encoded, or waiting to be (waiting) */
	uint32_t len, seq, index; /* length of the stream, number of streams, frame index of APP9 */
	uint64_t pts;
	uint32_t user_len, frc;
	uint8_t user[1024];
	struct k_h264 h264;
};

struct k_rgn {
	uint8_t used, attached, got, stale; /* got: canvas handed out; stale: its channel has gone */
	int32_t pid;
	RGN_ATTR_S attr;
	MMF_CHN_S chn;
	RGN_CHN_ATTR_S display;
	uint64_t canvas[2];
	uint32_t current, stride;
};

struct k_bind {
	uint8_t used;
	MMF_CHN_S src, dst;
};

enum k_module {
	M_SYS,
	M_BASE,
	M_RTOS,
	M_FAST_IMAGE,
	M_MIPI_RX,
	M_SNSR_I2C,
	M_VI,
	M_VPSS,
	M_DWA,
	M_VO,
	M_RGN,
	M_VC,
	M_IVE,
	M_COUNT,
};

struct kernel {
	uint32_t magic, size;
	struct k_proc procs[K_PROCS];

	uint64_t ion_size, ion_used, ion_peak;
	struct k_ion ions[K_IONS];

	uint8_t modules[M_COUNT];
	int32_t venc_nodes;

	int32_t vb_refs;
	uint8_t vb_configured;
	VB_CONFIG_S vb_config;
	struct k_pool pools[K_POOLS];

	struct k_bind binds[K_BINDS];

	struct { /* cleared by the kernel when the owning process dies */
		int32_t pid;
		uint8_t dev, pipe, started, chn, has_dev, has_chn;
		VI_DEV_ATTR_S dev_attr;
		VI_PIPE_ATTR_S pipe_attr;
		VI_CHN_ATTR_S chn_attr;
		uint32_t pool;
		uint64_t dma;
		int32_t hw_pool[CVI_VI_CHN_0_BUF], hw_block[CVI_VI_CHN_0_BUF];
		uint32_t frames, lost;
	} vi;

	struct {
		uint8_t reset, mipi_reset, clock, has_attr;
		uint32_t devno;
	} mipi;

	struct k_grp grps[VPSS_MAX_GRP_NUM];
	struct k_venc vencs[VENC_MAX_CHN_NUM];
	struct { /* the driver's one lock for all JPEG channels: from SendFrame to GetStream */
		uint8_t held;
		int32_t chn, pid;
		uint64_t thread;
	} jpeg;
	struct { /* the one lock for all H.264 channels: from SendFrame to the end of the picture */
		uint8_t held;
		int32_t chn, pid;
	} vcodec;
	VENC_MOD_JPEGE_S jpege;
	struct k_rgn rgns[RGN_MAX_NUM];

	uint32_t pads[2]; /* registers 0x0300116C and 0x0300118C */
	uint64_t faults;
};

#endif
