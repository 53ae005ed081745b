/* One camera session: what is brought up, what is torn down, and the one thread that makes all calls of the MPI. */
#ifndef MAIXSTREAM_SG2002_CAMERA_H
#define MAIXSTREAM_SG2002_CAMERA_H

#include "mpi.h"

enum { /* objects that we use; there is one camera */
	VI_DEV = 0,
	VI_PIPE = 0,
	VI_CHN = 0,
	VPSS_GRP = 0,
	STREAM_CHN = 0, /* of VPSS and of VENC: the pictures that are streamed */
	STILL_CHN = 1, /* and those of the sensor's full size, beside them */
	RGN_HANDLE = 0,
	POOL_BLOCKS = 4, /* one written, two parked, one with the encoder */
	STILL_BLOCKS = 2, /* one written, one with the encoder */
	PARKED = 2,
	ORPHANS = 64,
};

enum fit { FIT_CROP, FIT_PAD, FIT_STRETCH };

/* What the session is to be; set before CAMERA_UP. */
struct camera_config {
	/* the sensor and its mode */
	ISP_SNS_OBJ_S *sensor;
	int16_t lanes[5];
	int8_t swaps[5];
	uint8_t mclk_enable, mclk;
	int8_t i2c_bus;
	uint32_t width, height; /* of the mode, pixels */
	float fps;
	ISP_BAYER_FORMAT_E isp_bayer;
	BAYER_FORMAT_E dev_bayer;
	bool yuv; /* an HDMI bridge, not a bayer sensor */
	bool grey; /* a sensor without colours */
	char tuning[BIN_FILE_LENGTH]; /* "": the library's default name */
	char tuning_file[BIN_FILE_LENGTH + 64]; /* how to read it: the name below the root; "": tuning itself */
	uint32_t exposure_max; /* microseconds */
	/* the pictures that come out */
	uint32_t out_width, out_height;
	enum fit fit;
	bool mirror, flip; /* of VPSS, as the board needs them */
	int32_t out_fps; /* 0: every frame */
	uint32_t quality;
	bool bound; /* VPSS bound to VENC, else each frame is sent */
	uint32_t stream_buffer; /* bytes, a multiple of 1024 */
	uint64_t orphans[ORPHANS]; /* ION buffers that dead processes left, by physical address */
	int orphan_count;
	bool still; /* keep memory for pictures of the sensor's size */
	uint32_t still_buffer;
};

/* A channel of VPSS with its memory, and the encoder behind it. */
struct output {
	int32_t chn; /* of VPSS and of VENC */
	uint32_t width, height, stream_buffer;
	enum fit fit;
	int32_t fps; /* 0: every frame */
	uint32_t depth, blocks; /* frames parked for GetChnFrame, and blocks of the pool */
	bool bound;
	/* what is up */
	bool channel, venc, venc_bound, receiving;
	uint32_t pool; /* VB_INVALID_POOLID: none */
	bool remade; /* the encoder was made again, and no picture has come since */
};

enum camera_op {
	CAMERA_UP, /* everything: SYS, VB, sensor, ISP, VI, VPSS, VENC */
	CAMERA_DOWN, /* all that is up, in the reverse order */
	CAMERA_JPEG, /* one picture into the caller's buffer */
	CAMERA_OUTPUT, /* VPSS channel and VENC made again for a new size */
	CAMERA_QUALITY,
	CAMERA_VPSS, /* rate and orientation */
	CAMERA_OVERLAY, /* the region's picture */
	CAMERA_RESET_LINE, /* release the sensor's reset before it is looked for */
	CAMERA_CLOCK, /* give the sensor its clock before it is looked for */
	CAMERA_RECOVER, /* give back what a dead process has left */
	CAMERA_RAW, /* one raw frame, kept until CAMERA_RAW_RELEASE */
	CAMERA_RAW_RELEASE,
	CAMERA_RAW_MAP,
	CAMERA_RAW_FLUSH,
	CAMERA_ENCODE_RAW, /* a kept frame through the encoder */
	CAMERA_ENCODE_PICTURE, /* a program's picture through the encoder */
	CAMERA_STILL, /* one picture of the sensor's size into the caller's buffer */
};

enum camera_result {
	CAMERA_OK = 0,
	CAMERA_EMPTY = 1, /* no frame within the wait */
	CAMERA_FAILED = 2, /* a call failed: failed_call, failed_code */
	CAMERA_TOO_LARGE = 3, /* the picture does not fit; size says how large it is */
	CAMERA_HANGS = -1, /* the call has not come back; the session was given up */
};

struct camera {
	const struct mpi *mpi;
	struct camera_config config;

	/* the thread */
	pthread_t thread;
	pthread_mutex_t lock;
	int wake, ready; /* eventfds: the caller signals an operation, the thread that it is done */
	bool stop; /* instead of an operation */
	bool abandoned; /* under lock */
	enum camera_op op;
	int result;

	/* of the current operation; the caller's from ready to wake */
	uint8_t *buffer; /* where a picture goes; written under lock and only while not abandoned */
	size_t room;
	size_t size; /* bytes of the picture */
	uint64_t pts; /* microseconds of CLOCK_MONOTONIC, when the picture was taken */
	int32_t wait_ms; /* for a frame */
	const char *failed_call;
	int32_t failed_code;
	const uint8_t *bitmap; /* ARGB4444 rows of the overlay, bitmap_width x bitmap_height; NULL: take it away */
	uint32_t bitmap_width, bitmap_height, bitmap_x, bitmap_y;
	const uint8_t *planes[2]; /* of a program's picture: NV21, or RGB in the first; read under lock and only while not abandoned */
	uint32_t strides[2], picture_width, picture_height;
	bool rgb;
	VIDEO_FRAME_INFO_S frame; /* of CAMERA_RAW */
	void *mapped;
	uint32_t mapped_size;

	/* what is up; the thread's own */
	bool vb, sys, sensor_registered, ae, awb, isp_ready, isp_thread_runs, vi_dev, vi_pipe, vi_pipe_started, flip_callback, vi_chn;
	bool group, group_started, vi_bound, region, region_attached;
	uint32_t region_width, region_height, region_x, region_y;
	struct output streamed, still;
	uint32_t picture_pool; /* VB_INVALID_POOLID: none */
	uint32_t picture_pool_size;
	pthread_t isp_thread;
	bool isp_thread_started; /* under lock */
	bool isp_ended; /* atomic: CVI_ISP_Run came back, with isp_result */
	int32_t isp_result;
	int32_t exposure_result; /* of setting the longest exposure, without which there are pictures all the same */
	pthread_cond_t isp_started;
	VENC_STREAM_S stream;
	VENC_PACK_S packs[8];
	volatile const char *doing; /* the call that is under way, for a report of one that hangs */
	uint64_t copied; /* pictures and bytes copied from the encoder */
	uint64_t copied_bytes;
};

/* The least ION memory that CAMERA_UP takes with this configuration, in bytes; VI's own buffer comes on top. */
int64_t camera_memory(const struct camera_config *config);

/* Makes a session and its thread; NULL when memory or threads are short. */
struct camera *camera_new(const struct mpi *mpi);

/*
 * An operation is run from Go without a call of C (thread.go): op and what it needs are set, wake is signalled, ready awaited.
 * An operation that takes too long is given up: from then on its thread touches the caller's memory no more, and only
 * camera_abandon may be called.
 */
void camera_give_up(struct camera *c);

/* Ends the thread and frees the session, which must be down. */
void camera_free(struct camera *c);

/* Leaves a session with a call that hangs to its fate: the thread frees nothing and touches the caller's memory no more. */
void camera_abandon(struct camera *c);

/* The operations, on the thread. */
int camera_up(struct camera *c);
void camera_down(struct camera *c);
int output_up(struct camera *c); /* the stream's */
void output_down(struct camera *c);
void outputs_down(struct camera *c);
void input_unbind(struct camera *c);
void group_down(struct camera *c);
int output_vpss(struct camera *c);
int still_up(struct camera *c);
int still_picture(struct camera *c);
int raw_get(struct camera *c);
int raw_release(struct camera *c);
int raw_map(struct camera *c);
int raw_flush(struct camera *c);
bool venc_module(struct camera *c);
bool venc_up(struct camera *c, struct output *o);
void venc_down(struct camera *c, struct output *o);
int venc_quality(struct camera *c, const struct output *o);
int venc_picture(struct camera *c); /* the stream's next */
int venc_encode(struct camera *c, struct output *o, const VIDEO_FRAME_INFO_S *frame);
int venc_raw(struct camera *c);
int program_picture(struct camera *c);
void program_down(struct camera *c);
bool pool_up(struct camera *c, uint32_t *pool, uint32_t size, uint32_t count);
void pool_down(struct camera *c, uint32_t *pool);
bool frame_release(struct camera *c, const struct output *o, const VIDEO_FRAME_INFO_S *frame);
int overlay_set(struct camera *c);
void overlay_down(struct camera *c);
int camera_recover(struct camera *c);

/* Whether the ISP's thread is in CVI_ISP_Run; without it exposure stays as it is. */
bool isp_runs(struct camera *c);

/*
 * A call of the MPI: notes which one is under way, and which one failed with what. As an expression it is true when the call
 * succeeded.
 */
#define CALL(c, name, ...) ((c)->doing = #name, call_result((c), #name, (c)->mpi->name(__VA_ARGS__)))

/* One whose result is looked at elsewhere, or does not matter. */
#define TRY(c, name, ...) ((c)->doing = #name, (c)->mpi->name(__VA_ARGS__))

#define ALIGN(n, to) (((n) + (to) - 1) / (to) * (to))

/* Bytes of an NV21 picture. The encoder rounds the height up to 16 and reads those rows, too: a block that ends with the picture would be overrun. */
static inline uint32_t picture_size(uint32_t width, uint32_t height)
{
	return ALIGN(width, DEFAULT_ALIGN) * ALIGN(height, 16) * 3 / 2;
}

static inline bool call_result(struct camera *c, const char *name, int32_t code)
{
	if (code == CVI_SUCCESS)
		return true;
	c->failed_call = name;
	c->failed_code = code;
	return false;
}

#endif
