#ifndef MAIXSTREAM_OPENH264_LIBRARY_H
#define MAIXSTREAM_OPENH264_LIBRARY_H

#include "abi.h"

/* The functions found by mx_h264_open. */
extern struct mx_h264_library {
	int (*create)(struct oh_encoder **);
	void (*destroy)(struct oh_encoder *);
	long (*create_decoder)(struct oh_decoder **);
	void (*destroy_decoder)(struct oh_decoder *);
} mx_h264_library __attribute__((visibility("hidden"))); // not visible to libraries that the board loads

/* Spare room for fields that a library with the same ABI may have after those of 2.3.1. */
enum { MX_H264_SPARE = 1024 };

#endif
