#ifndef MAIXSTREAM_OPENH264_ABI_H
#define MAIXSTREAM_OPENH264_ABI_H

/* The part of OpenH264's ABI that is used here, from libopenh264.so.7 (2.3.1): own declarations, so that building needs no headers.
 * A test compares sizes, offsets and numbers with the library's headers if they are installed. */

#include <stdbool.h>

enum {
	OH_USAGE_CAMERA_REAL_TIME = 0,
	OH_RC_BITRATE = 1,
	OH_PROFILE_BASELINE = 66,
	OH_SLICE_SINGLE = 0,
	OH_ID_CONSTANT = 0,
	OH_FORMAT_I420 = 23,
	OH_FRAME_IDR = 1,
	OH_FRAME_SKIP = 4,
	OH_LAYERS_ALL = 4,
	OH_COLOUR_UNSPECIFIED = 5, /* video_format, ITU-T H.264 table E-2 */
	OH_COLOUR_BT601 = 6,       /* SMPTE 170M in tables E-3, E-4 and E-5 */
	OH_LOG_QUIET = 0,
	OH_OPTION_FORMAT = 0,
	OH_OPTION_IDR_INTERVAL = 1,
	OH_OPTION_FRAME_RATE = 4,
	OH_OPTION_BITRATE = 5,
	OH_OPTION_TRACE_LEVEL = 25,
	OH_CONCEAL_NOTHING = 0,
	OH_STREAM_AVC = 0,
	OH_DECODER_OPTION_TRACE_LEVEL = 9,
};

struct oh_slices {
	int mode;
	unsigned count;
	unsigned blocks[35];
	unsigned max_bytes;
};

struct oh_layer {
	int width, height;
	float fps;
	int bitrate, max_bitrate; /* bits per second */
	int profile, level, qp;
	struct oh_slices slices;
	bool signal_present;
	unsigned char video_format;
	bool full_range;
	bool colour_present;
	unsigned char primaries, transfer, matrix;
	bool aspect_present;
	int aspect;
	unsigned short aspect_width, aspect_height;
};

struct oh_parameters {
	int usage;
	int width, height;
	int bitrate;
	int rate_control;
	float max_fps;
	int temporal_layers, spatial_layers;
	struct oh_layer layer[4];
	int complexity;
	unsigned intra_period;
	int reference_frames;
	int id_strategy;
	bool prefix_nal, ssei, simulcast;
	int padding;
	int cabac;
	bool frame_skip;
	int max_bitrate;
	int max_qp, min_qp;
	unsigned max_nal;
	bool long_term;
	int long_term_count;
	unsigned long_term_period;
	unsigned short threads;
	bool load_balancing;
	int loop_filter, loop_filter_alpha, loop_filter_beta;
	bool denoise, background, adaptive_quant, cropping, scene_change, lossless_link, fix_overshoot;
	int idr_bitrate_ratio; /* percent of an average picture */
};

struct oh_picture {
	int format;
	int stride[4];
	unsigned char *plane[4];
	int width, height;
	long long time; /* ms */
};

struct oh_nals {
	unsigned char temporal, spatial, quality;
	int frame_type;
	unsigned char layer_type;
	int sub_sequence;
	int count;
	int *lengths; /* including start codes */
	unsigned char *bytes;
};

struct oh_unit {
	int count;
	struct oh_nals layer[128];
	int frame_type;
	int bytes;
	long long time;
};

struct oh_bitrate {
	int layer;
	int bitrate;
};

struct oh_version {
	unsigned major, minor, revision, reserved;
};

/* The virtual functions, in order. The library's C header omits force_intra's second argument, which it does read. */
struct oh_encoder;
struct oh_calls {
	int (*initialize)(struct oh_encoder *, const void *);
	int (*initialize_ext)(struct oh_encoder *, const struct oh_parameters *);
	int (*defaults)(struct oh_encoder *, struct oh_parameters *);
	int (*uninitialize)(struct oh_encoder *);
	int (*encode)(struct oh_encoder *, const struct oh_picture *, struct oh_unit *);
	int (*parameter_sets)(struct oh_encoder *, struct oh_unit *);
	int (*force_intra)(struct oh_encoder *, bool idr, int layer);
	int (*set_option)(struct oh_encoder *, int option, void *value);
	int (*get_option)(struct oh_encoder *, int option, void *value);
};
struct oh_encoder {
	const struct oh_calls *calls;
};

struct oh_decoding {
	char *file;
	unsigned load;
	unsigned char layer;
	int conceal;
	bool parse_only;
	unsigned property_size;
	int stream;
};

struct oh_decoded {
	int ready; /* 1: a picture was decoded */
	unsigned long long stamp_in, stamp_out;
	int width, height, format;
	int stride[2]; /* luma, chroma */
	unsigned char *plane[3];
};

struct oh_decoder;
struct oh_decoder_calls {
	long (*initialize)(struct oh_decoder *, const struct oh_decoding *);
	long (*uninitialize)(struct oh_decoder *);
	int (*decode_frame)(struct oh_decoder *, const unsigned char *, int, unsigned char **, int *, int *, int *);
	int (*decode_no_delay)(struct oh_decoder *, const unsigned char *, int, unsigned char **, struct oh_decoded *);
	int (*decode)(struct oh_decoder *, const unsigned char *, int, unsigned char **, struct oh_decoded *);
	int (*flush)(struct oh_decoder *, unsigned char **, struct oh_decoded *);
	int (*parse)(struct oh_decoder *, const unsigned char *, int, void *);
	int (*decode_ex)(struct oh_decoder *, const unsigned char *, int, unsigned char *, int, int *, int *, int *, int *);
	long (*set_option)(struct oh_decoder *, int option, void *value);
	long (*get_option)(struct oh_decoder *, int option, void *value);
};
struct oh_decoder {
	const struct oh_decoder_calls *calls;
};

#endif
