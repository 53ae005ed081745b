/* The image processor: exposure and white balance, tuning, and the thread that they run on. */
#ifndef MAIXSTREAM_SG2002_ISP_H
#define MAIXSTREAM_SG2002_ISP_H

#include "session.h"

/* How the two algorithms are named to the libraries. */
ALG_LIB_S isp_ae(void);
ALG_LIB_S isp_awb(void);

/* Registers the algorithms, starts the ISP and its thread. */
bool isp_up(struct camera *c);

/*
 * Ends the ISP and its thread. After it no function of the ISP may be called, for it would take the shared buffer again, but
 * pfnUnRegisterCallback and the two calls of isp_unregister.
 */
void isp_down(struct camera *c);
void isp_unregister(struct camera *c);

/* Whether the ISP's thread is in CVI_ISP_Run; without it exposure stays as it is. */
bool isp_runs(struct camera *c);

/* Sets the longest exposure of the configuration; returns the code of the call that failed, else 0. */
int32_t isp_exposure(struct camera *c);

#endif
