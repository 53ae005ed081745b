/* The ISP: exposure and white balance, tuning, and the thread that runs them. */
#ifndef MAIXSTREAM_SG2002_ISP_H
#define MAIXSTREAM_SG2002_ISP_H

#include "session.h"

/* The names under which the libraries know the two algorithms. */
ALG_LIB_S isp_ae(void);
ALG_LIB_S isp_awb(void);

/* Registers the algorithms, starts the ISP and its thread. */
bool isp_up(struct camera *c);

/*
 * Ends the ISP and its thread. Afterwards no ISP function may be called, since it would allocate the shared buffer again, except
 * pfnUnRegisterCallback and the two calls of isp_unregister.
 */
void isp_down(struct camera *c);
void isp_unregister(struct camera *c);

/* Whether the ISP's thread is in CVI_ISP_Run; without it the exposure does not change. */
bool isp_runs(struct camera *c);

/* Sets the configuration's longest exposure; returns 0 or the code of the call that failed. */
int32_t isp_exposure(struct camera *c);

#endif
