/*
 * One camera session: its configuration, what is up, and how MPI calls are made. Every C file works on it; besides this header
 * each includes only the headers of files below its own. From the bottom: memory, isp, tone, input, scaler, video, encoder, overlay, raw,
 * picture, output, bringup, camera (order_test.go checks this).
 */
#ifndef MAIXSTREAM_SG2002_SESSION_H
#define MAIXSTREAM_SG2002_SESSION_H

#include <string.h>

#include "mpi.h"

enum { /* the objects we use; there is one camera */
	VI_DEV = 0,
	VI_PIPE = 0,
	VI_CHN = 0,
	VPSS_GRP = 0,
	STREAM_CHN = 0, /* VPSS and VENC: the streamed pictures */
	STILL_CHN = 1,  /* VPSS and VENC: full-size stills */
	VIDEO_CHN = 2,  /* VENC only: H.264 of the streamed pictures */
	RGN_HANDLE = 0,
	POOL_BLOCKS = 4,  /* one being written, two parked, one in the encoder */
	STILL_BLOCKS = 2, /* one being written, one in the encoder */
	PARKED = 2,
	ORPHANS = 64,
	NOTE_SIZE = 64,
	ISP_BUFFER = 291424, /* libisp.so's ISP_SHARED_BUFFER_0, bytes */
};

enum fit { FIT_CROP, FIT_PAD, FIT_STRETCH };

/* The session's configuration; set before CAMERA_UP. */
struct camera_config {
	/* sensor and mode */
	ISP_SNS_OBJ_S *sensor;
	int16_t lanes[5];
	int8_t swaps[5];
	uint8_t mclk_enable, mclk;
	int8_t i2c_bus;
	uint32_t width, height; /* of the mode, in pixels */
	float fps;
	ISP_BAYER_FORMAT_E isp_bayer;
	BAYER_FORMAT_E dev_bayer;
	bool yuv;                               /* an HDMI bridge, not a bayer sensor */
	bool grey;                              /* a monochrome sensor */
	char tuning[BIN_FILE_LENGTH];           /* "": the library's default name */
	char tuning_file[BIN_FILE_LENGTH + 64]; /* prefix for reading it: the root the name is below; "": tuning itself */
	bool untuned;                           /* skip the tuning file */
	uint32_t exposure_max;                  /* microseconds */
	/* output pictures */
	uint32_t out_width, out_height;
	enum fit fit;
	float zoom, pan_x, pan_y;  /* magnification, and the centre of the visible part, 0 to 1; zoom 1: the whole picture */
	bool mirror, flip;         /* in VPSS, including the board's mounting */
	int32_t out_fps;           /* 0: every frame */
	uint32_t quality;          /* one that the encoder supports: see realQuality in config.go */
	bool bound;                /* VPSS bound to VENC; otherwise each frame is sent */
	uint32_t stream_buffer;    /* bytes, a multiple of 1024 */
	uint64_t orphans[ORPHANS]; /* ION buffers left by dead processes, by physical address */
	int orphan_count;
	bool still; /* reserve memory for stills of the sensor's size */
	uint32_t still_buffer;
	bool video; /* also encode the streamed pictures as H.264 */
	struct video_config {
		uint32_t buffer;   /* bytes */
		uint32_t kilobits; /* 1000 bit/s */
		uint32_t rate;     /* frames per second: frames in the low half, seconds in the high half */
		uint32_t gop;      /* key frame interval, in frames */
	} coding;
};

/* A failed call and its code. */
struct failure {
	const char *call;
	int32_t code;
};

/* A VPSS channel with its memory, and the encoder fed by it. */
struct output {
	int32_t chn; /* in VPSS and in VENC */
	uint32_t width, height, stream_buffer;
	enum fit fit;
	int32_t fps;            /* 0: every frame */
	uint32_t depth, blocks; /* frames parked for GetChnFrame; blocks of the pool */
	bool bound;
	/* what is up */
	bool channel, venc, venc_bound, receiving;
	uint32_t pool; /* VB_INVALID_POOLID: no pool */
	bool retried;  /* the encoder was recreated and has delivered no picture since */
};

/*
 * Shared between the thread and the H.264 reader. The reader sees a unit's bytes in the encoder's memory, so the stream can be released only
 * when the reader is done with it. Who may change the state: from NONE and DONE the thread, from READY both, from TAKEN the reader.
 */
struct gate {
	uint32_t unit;   /* enum unit_state */
	uint32_t key;    /* 1: a key frame is requested */
	uint32_t failed; /* 1: the encoder was given up; the reason is in struct video */
};

enum unit_state { UNIT_NONE, UNIT_READY, UNIT_TAKEN, UNIT_DONE };

/* The H.264 encoder. Except for the unit, only the thread uses it. */
struct video {
	struct video_config current; /* current configuration of the channel */
	bool channel, receiving;     /* what is up */
	bool sent;                   /* a picture is being encoded; frame is held until its stream has arrived */
	bool out;                    /* its stream, not released yet */
	bool retried;                /* the channel was recreated and has delivered no picture since */
	bool key_asked;              /* the picture sent is to be a key frame */
	bool ignores_requests;       /* requests yield no key frames; restarting does */
	bool stuck;                  /* the channel could not be destroyed, or a reader never released a unit: no other is created */
	VIDEO_FRAME_INFO_S frame;
	int64_t sent_at; /* ms */
	uint32_t busy;   /* consecutive frames that the encoder did not accept */
	uint64_t frames; /* frames that could have been encoded */
	uint64_t skipped, lost, units, bytes, recreated, restarted;
	struct failure failed, shaped; /* why it was given up; which fine setting was refused */
	/* the unit, valid while READY or TAKEN */
	VENC_STREAM_S stream;
	VENC_PACK_S packs[12];
	uint64_t pts, number;
	bool key;
};

enum camera_op {
	CAMERA_UP,     /* everything: SYS, VB, sensor, ISP, VI, VPSS, VENC */
	CAMERA_DOWN,   /* everything that is up, in reverse order */
	CAMERA_JPEG,   /* one picture into the caller's buffer */
	CAMERA_OUTPUT, /* recreate VPSS channel and VENC for a new size */
	CAMERA_QUALITY,
	CAMERA_VPSS,       /* rate and orientation */
	CAMERA_OVERLAY,    /* the region's bitmap */
	CAMERA_RESET_LINE, /* release the sensor's reset before probing */
	CAMERA_CLOCK,      /* turn on the sensor's clock before probing */
	CAMERA_RECOVER,    /* clean up after a dead process */
	CAMERA_RAW,        /* one raw frame, kept until CAMERA_RAW_RELEASE */
	CAMERA_RAW_RELEASE,
	CAMERA_RAW_MAP,
	CAMERA_RAW_FLUSH,
	CAMERA_ENCODE_RAW,     /* encode a kept frame */
	CAMERA_ENCODE_PICTURE, /* encode a program's picture */
	CAMERA_TONE_GET,       /* read exposure, white balance and colour */
	CAMERA_TONE_SET,       /* set some of them */
	CAMERA_VIEW,           /* the visible part of the sensor's picture */
	CAMERA_STILL,          /* one picture of the sensor's size into the caller's buffer */
	CAMERA_VIDEO,          /* apply the H.264 configuration: create, change or destroy the channel */
};

/* Exposure, white balance and colour. Times in microseconds, gains in 1/1024. */
struct tone {
	bool manual_exposure, manual_balance, manual_saturation;
	uint32_t exposure, gain;         /* in automatic mode: the current values */
	uint32_t max_exposure, max_gain; /* limits of automatic exposure; read only */
	uint16_t bias;                   /* exposure compensation, 1024: none */
	uint16_t flicker;                /* mains frequency, 50 or 60 Hz; 0: ignored */
	uint16_t red, blue;
	uint8_t saturation;
};

enum tone_part { TONE_EXPOSURE = 1, TONE_BALANCE = 2, TONE_SATURATION = 4 };

enum { GAIN_ONE = 1024 };

enum camera_result {
	CAMERA_OK = 0,
	CAMERA_EMPTY = 1,     /* no frame before the timeout */
	CAMERA_FAILED = 2,    /* a call failed, see failed */
	CAMERA_TOO_LARGE = 3, /* the picture does not fit; size is its size */
	CAMERA_HANGS = -1,    /* the call has not returned; the session was given up */
};

struct camera {
	struct mpi *mpi;
	struct camera_config config;

	/* the thread */
	pthread_t thread;
	pthread_mutex_t lock;
	int wake, ready;   /* eventfds: the caller signals an operation, the thread its end */
	int unit;          /* eventfd: signals a change of the gate to the reader */
	struct gate *gate; /* the caller's, outlives the thread */
	bool stop;         /* end the thread instead of running an operation */
	bool abandoned;    /* under lock */
	enum camera_op op;
	int result;

	/* current operation; the caller's from ready to wake */
	uint8_t *buffer; /* destination of a picture; written under lock, and only while not abandoned */
	size_t room;
	size_t size;     /* of the picture, in bytes */
	uint64_t pts;    /* capture time, microseconds of CLOCK_MONOTONIC */
	int32_t wait_ms; /* timeout for a frame */
	struct failure failed;
	const uint8_t *bitmap; /* ARGB4444 rows of the overlay, bitmap_width x bitmap_height; NULL removes it */
	uint32_t bitmap_width, bitmap_height, bitmap_x, bitmap_y;
	const uint8_t *planes[2]; /* a program's picture: NV21, or RGB in the first; read under lock, and only while not abandoned */
	uint32_t strides[2], picture_width, picture_height;
	bool rgb;
	struct tone tone;         /* for CAMERA_TONE_GET and CAMERA_TONE_SET */
	uint32_t tone_changes;    /* enum tone_part */
	VIDEO_FRAME_INFO_S frame; /* for CAMERA_RAW */
	void *mapped;
	uint32_t mapped_size;

	/* what is up; used by the thread only */
	bool vb, sys, sensor_registered, ae, awb, isp_ready, isp_thread_runs, vi_dev, vi_pipe, vi_pipe_started, flip_callback, vi_chn;
	bool group, group_started, vi_bound, region, region_attached;
	uint32_t region_width, region_height, region_x, region_y;
	struct output streamed, still;
	uint32_t picture_pool; /* VB_INVALID_POOLID: no pool */
	uint32_t picture_pool_size;
	pthread_t isp_thread;
	bool isp_thread_started; /* under lock */
	bool isp_ended;          /* atomic: CVI_ISP_Run returned, with isp_result */
	int32_t isp_result;
	int32_t exposure_result; /* of setting the longest exposure; a failure does not stop the stream */
	pthread_cond_t isp_started;
	ISP_EXP_INFO_S exposure_info; /* 2 KiB, kept off the stack */
	VENC_STREAM_S stream;
	VENC_PACK_S packs[8];
	struct video video;
	char *note;                    /* name of the call in progress, NOTE_SIZE bytes: for reporting a hang, and for the process after a crash */
	char fallback_note[NOTE_SIZE]; /* used if there is no file for it */
	uint64_t copied;               /* pictures and bytes copied from the encoder */
	uint64_t copied_bytes;
};

/* Records the call in progress; what is a string constant. It is copied, since another process reads the note. */
#define NOTE(c, what) memcpy((c)->note, what, sizeof what)

/*
 * An MPI call: records its name while it runs, and its name and code if it fails. As an expression it is true if the call
 * succeeded.
 */
#define CALL(c, name, ...) (NOTE(c, #name), call_result((c), #name, (c)->mpi->name(__VA_ARGS__)))

/* A call whose result is checked elsewhere, or does not matter. */
#define TRY(c, name, ...) (NOTE(c, #name), (c)->mpi->name(__VA_ARGS__))

/* A call that takes down what a flag of the session marks as up. */
#define UNDO(c, flag, name, ...) \
	do { \
		if ((c)->flag) { \
			(c)->flag = false; \
			TRY(c, name, __VA_ARGS__); \
		} \
	} while (0)

#define ALIGN(n, to) (((n) + (to)-1) / (to) * (to))

static inline bool call_result(struct camera *c, const char *name, int32_t code)
{
	if (code == CVI_SUCCESS)
		return true;
	c->failed = (struct failure){name, code};
	return false;
}

#endif
