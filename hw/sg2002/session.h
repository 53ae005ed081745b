/*
 * One camera session: what it is to be, what is up, and how a call of the MPI is made. Every C file works on it and includes, besides
 * this one, only the headers of files below its own. From the bottom: memory, isp, tone, input, scaler, video, encoder, overlay, raw, picture, output,
 * bringup, camera (order_test.go holds this).
 */
#ifndef MAIXSTREAM_SG2002_SESSION_H
#define MAIXSTREAM_SG2002_SESSION_H

#include <string.h>

#include "mpi.h"

enum { /* objects that we use; there is one camera */
	VI_DEV = 0,
	VI_PIPE = 0,
	VI_CHN = 0,
	VPSS_GRP = 0,
	STREAM_CHN = 0, /* of VPSS and of VENC: the pictures that are streamed */
	STILL_CHN = 1,  /* and those of the sensor's full size, beside them */
	VIDEO_CHN = 2,  /* of VENC alone: H.264 of the pictures that are streamed */
	RGN_HANDLE = 0,
	POOL_BLOCKS = 4,  /* one written, two parked, one with the encoder */
	STILL_BLOCKS = 2, /* one written, one with the encoder */
	PARKED = 2,
	ORPHANS = 64,
	NOTE_SIZE = 64,
	ISP_BUFFER = 291424, /* libisp.so's ISP_SHARED_BUFFER_0, bytes */
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
	bool yuv;                               /* an HDMI bridge, not a bayer sensor */
	bool grey;                              /* a sensor without colours */
	char tuning[BIN_FILE_LENGTH];           /* "": the library's default name */
	char tuning_file[BIN_FILE_LENGTH + 64]; /* how to read it: the name below the root; "": tuning itself */
	bool untuned;                           /* without the tuning file */
	uint32_t exposure_max;                  /* microseconds */
	/* the pictures that come out */
	uint32_t out_width, out_height;
	enum fit fit;
	float zoom, pan_x, pan_y;  /* how much larger, and where the middle of the part lies, 0 to 1; zoom 1: the whole picture */
	bool mirror, flip;         /* of VPSS, as the board needs them */
	int32_t out_fps;           /* 0: every frame */
	uint32_t quality;          /* one that the encoder has: realQuality in config.go */
	bool bound;                /* VPSS bound to VENC, else each frame is sent */
	uint32_t stream_buffer;    /* bytes, a multiple of 1024 */
	uint64_t orphans[ORPHANS]; /* ION buffers that dead processes left, by physical address */
	int orphan_count;
	bool still; /* keep memory for pictures of the sensor's size */
	uint32_t still_buffer;
	bool video; /* H.264 of the streamed pictures besides */
	struct video_config {
		uint32_t buffer;   /* bytes */
		uint32_t kilobits; /* 1000 bit/s */
		uint32_t rate;     /* frames a second: frames in the low half, seconds in the high one */
		uint32_t gop;      /* frames from key frame to key frame */
	} coding;
};

/* A call that failed, and with what. */
struct failure {
	const char *call;
	int32_t code;
};

/* A channel of VPSS with its memory, and the encoder behind it. */
struct output {
	int32_t chn; /* of VPSS and of VENC */
	uint32_t width, height, stream_buffer;
	enum fit fit;
	int32_t fps;            /* 0: every frame */
	uint32_t depth, blocks; /* frames parked for GetChnFrame, and blocks of the pool */
	bool bound;
	/* what is up */
	bool channel, venc, venc_bound, receiving;
	uint32_t pool; /* VB_INVALID_POOLID: none */
	bool remade;   /* the encoder was made again, and no picture has come since */
};

/*
 * Between the thread and whoever reads H.264. A unit's bytes are shown to the reader where the encoder has them, so its stream can be given back only
 * when the reader is through with it: NONE and DONE are the thread's to leave, READY both may, TAKEN the reader.
 */
struct gate {
	uint32_t unit;   /* enum unit_state */
	uint32_t key;    /* 1: a key frame is wanted */
	uint32_t failed; /* 1: the encoder was given up; why is in struct video */
};

enum unit_state { UNIT_NONE, UNIT_READY, UNIT_TAKEN, UNIT_DONE };

/* The H.264 encoder. But for what is of the unit, the thread's own. */
struct video {
	struct video_config is;  /* as the channel was made, and changed since */
	bool channel, receiving; /* what is up */
	bool sent;               /* a picture is being encoded: frame is held until its stream has come */
	bool out;                /* its stream, not given back yet */
	bool remade;             /* the channel was made again, and no picture has come since */
	bool key_asked;          /* the picture that was sent is to be a key frame */
	bool deaf;               /* requests make no key frames, a new start does */
	bool stuck;              /* the channel could not be ended, or a reader never gave a unit back: no other is made */
	VIDEO_FRAME_INFO_S frame;
	int64_t sent_at; /* ms */
	uint32_t busy;   /* frames in a row that the encoder did not take */
	uint64_t frames; /* that could have been encoded */
	uint64_t skipped, lost, units, bytes, made, restarted;
	struct failure failed, shaped; /* why it was given up; what of its fine settings was refused */
	/* the unit, valid while it is READY or TAKEN */
	VENC_STREAM_S stream;
	VENC_PACK_S packs[12];
	uint64_t pts, number;
	bool key;
};

enum camera_op {
	CAMERA_UP,     /* everything: SYS, VB, sensor, ISP, VI, VPSS, VENC */
	CAMERA_DOWN,   /* all that is up, in the reverse order */
	CAMERA_JPEG,   /* one picture into the caller's buffer */
	CAMERA_OUTPUT, /* VPSS channel and VENC made again for a new size */
	CAMERA_QUALITY,
	CAMERA_VPSS,       /* rate and orientation */
	CAMERA_OVERLAY,    /* the region's picture */
	CAMERA_RESET_LINE, /* release the sensor's reset before it is looked for */
	CAMERA_CLOCK,      /* give the sensor its clock before it is looked for */
	CAMERA_RECOVER,    /* give back what a dead process has left */
	CAMERA_RAW,        /* one raw frame, kept until CAMERA_RAW_RELEASE */
	CAMERA_RAW_RELEASE,
	CAMERA_RAW_MAP,
	CAMERA_RAW_FLUSH,
	CAMERA_ENCODE_RAW,     /* a kept frame through the encoder */
	CAMERA_ENCODE_PICTURE, /* a program's picture through the encoder */
	CAMERA_TONE_GET,       /* exposure, white balance and colour as they are */
	CAMERA_TONE_SET,       /* some of them anew */
	CAMERA_VIEW,           /* the part of the sensor's picture that is shown */
	CAMERA_STILL,          /* one picture of the sensor's size into the caller's buffer */
	CAMERA_VIDEO,          /* H.264 as the configuration has it now: made, changed or taken down */
};

/* Exposure, white balance and colour. Times in microseconds, gains in 1/1024. */
struct tone {
	bool manual_exposure, manual_balance, manual_saturation;
	uint32_t exposure, gain;           /* while automatic: as they are now */
	uint32_t most_exposure, most_gain; /* of automatic exposure; read only */
	uint16_t bias;                     /* of automatic exposure's aim, 1024: none */
	uint16_t flicker;                  /* 50 or 60 Hz, 0: not looked after */
	uint16_t red, blue;
	uint8_t saturation;
};

enum tone_part { TONE_EXPOSURE = 1, TONE_BALANCE = 2, TONE_SATURATION = 4 };

enum { GAIN_ONE = 1024 };

enum camera_result {
	CAMERA_OK = 0,
	CAMERA_EMPTY = 1,     /* no frame within the wait */
	CAMERA_FAILED = 2,    /* a call failed: failed */
	CAMERA_TOO_LARGE = 3, /* the picture does not fit; size says how large it is */
	CAMERA_HANGS = -1,    /* the call has not come back; the session was given up */
};

struct camera {
	struct mpi *mpi;
	struct camera_config config;

	/* the thread */
	pthread_t thread;
	pthread_mutex_t lock;
	int wake, ready;   /* eventfds: the caller signals an operation, the thread that it is done */
	int unit;          /* eventfd: the gate has something for the reader */
	struct gate *gate; /* the caller's, valid as long as the thread */
	bool stop;         /* instead of an operation */
	bool abandoned;    /* under lock */
	enum camera_op op;
	int result;

	/* of the current operation; the caller's from ready to wake */
	uint8_t *buffer; /* where a picture goes; written under lock and only while not abandoned */
	size_t room;
	size_t size;     /* bytes of the picture */
	uint64_t pts;    /* microseconds of CLOCK_MONOTONIC, when the picture was taken */
	int32_t wait_ms; /* for a frame */
	struct failure failed;
	const uint8_t *bitmap; /* ARGB4444 rows of the overlay, bitmap_width x bitmap_height; NULL: take it away */
	uint32_t bitmap_width, bitmap_height, bitmap_x, bitmap_y;
	const uint8_t *planes[2]; /* of a program's picture: NV21, or RGB in the first; read under lock and only while not abandoned */
	uint32_t strides[2], picture_width, picture_height;
	bool rgb;
	struct tone tone;         /* of CAMERA_TONE_GET and CAMERA_TONE_SET */
	uint32_t tone_changes;    /* enum tone_part */
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
	bool isp_ended;          /* atomic: CVI_ISP_Run came back, with isp_result */
	int32_t isp_result;
	int32_t exposure_result; /* of setting the longest exposure, without which there are pictures all the same */
	pthread_cond_t isp_started;
	ISP_EXP_INFO_S exposure_info; /* 2 KiB that need not lie on the stack */
	VENC_STREAM_S stream;
	VENC_PACK_S packs[8];
	struct video video;
	char *note; /* the call that is under way, NOTE_SIZE bytes: for a report of one that hangs, and for who comes after one that crashes */
	char own_note[NOTE_SIZE]; /* where there is no file for it */
	uint64_t copied;          /* pictures and bytes copied from the encoder */
	uint64_t copied_bytes;
};

/* Notes what is under way; what is a string constant. A copy, for the note is read by another process. */
#define NOTE(c, what) memcpy((c)->note, what, sizeof what)

/*
 * A call of the MPI: notes which one is under way, and which one failed with what. As an expression it is true when the call
 * succeeded.
 */
#define CALL(c, name, ...) (NOTE(c, #name), call_result((c), #name, (c)->mpi->name(__VA_ARGS__)))

/* One whose result is looked at elsewhere, or does not matter. */
#define TRY(c, name, ...) (NOTE(c, #name), (c)->mpi->name(__VA_ARGS__))

/* One that takes down what a flag of the session says is up. */
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
