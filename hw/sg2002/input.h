/* Where pictures enter: the sensor, MIPI, and VI with its device, pipe and channel. */
#ifndef MAIXSTREAM_SG2002_INPUT_H
#define MAIXSTREAM_SG2002_INPUT_H

#include "session.h"

/* The format that VI delivers. */
PIXEL_FORMAT_E input_format(const struct camera *c);

/* In this order: the sensor's registration and mode; VI's device, MIPI, probing the sensor, VI's pipe; (isp_up;) VI's channel. */
bool sensor_up(struct camera *c);
bool device_up(struct camera *c);
bool input_up(struct camera *c);

void sensor_down(struct camera *c);
void input_down(struct camera *c);

#endif
