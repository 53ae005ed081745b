#ifndef MAIXSTREAM_OPENH264_LIBRARY_H
#define MAIXSTREAM_OPENH264_LIBRARY_H

#include "abi.h"

/* What mx_h264_open has found. */
extern struct mx_h264_library {
	int (*create)(struct oh_encoder **);
	void (*destroy)(struct oh_encoder *);
	long (*create_decoder)(struct oh_decoder **);
	void (*destroy_decoder)(struct oh_decoder *);
} mx_h264_library __attribute__((visibility("hidden"))); // libraries that the board loads must not see it

/* What a library of the same interface could write behind the structures of 2.3.1. */
enum { MX_H264_SPARE = 1024 };

#endif
