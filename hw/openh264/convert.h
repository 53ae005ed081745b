#ifndef MAIXSTREAM_OPENH264_CONVERT_H
#define MAIXSTREAM_OPENH264_CONVERT_H

#include <stdint.h>

/* Converts a picture of any format in encode.h except YUV420 to planes of w x h luma and w/2 x h/2 chroma samples; w and h are even. */
void mx_h264_convert(int format, const uint8_t *p0, int stride0, const uint8_t *p1, int stride1, const uint8_t *p2, int stride2, uint8_t *y,
	uint8_t *cb, uint8_t *cr, int w, int h);

#endif
