/* Shared by the simulator's libraries; implemented in libsys.so, found by the others at run time. */
#ifndef MAIXSIM_CORE_H
#define MAIXSIM_CORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "../include/cvi_errors.h"
#include "../include/cvi_isp.h"
#include "../include/cvi_mipi.h"
#include "../include/cvi_sensor.h"
#include "kernel.h"
#include "maixsim.h"

#define SIM_API __attribute__((visibility("default")))

/* Classes of faults: uses that the real system accepts silently, but that leak, corrupt or crash. */
#define F_ORDER "ORDER"
#define F_DOUBLE_RELEASE "DOUBLE_RELEASE"
#define F_USE_AFTER_RELEASE "USE_AFTER_RELEASE"
#define F_LEAK "LEAK"
#define F_BAD_HANDLE "BAD_HANDLE"
#define F_SIGNAL_UNSAFE "SIGNAL_UNSAFE"
#define F_UNPADDED "UNPADDED"
#define F_OVERRUN "OVERRUN"
#define F_THREAD "THREAD"
#define F_CRASH "CRASH"

/* ---- the kernel and its lock ---- */

/* Valid after the first sim_lock. The lock guards everything in it and every global of the simulator. */
extern SIM_API struct kernel *sim_kernel;
#define K sim_kernel
extern SIM_API uint8_t *sim_ion; /* the whole carveout, as the hardware sees it */

SIM_API void sim_lock(void);
SIM_API void sim_unlock(void);
/* Releases the lock until something changes or until deadline (sim_now's clock; 0: none). Returns false if the deadline passed. */
SIM_API bool sim_wait(uint64_t deadline);
SIM_API void sim_wake(void);
SIM_API uint64_t sim_now(void); /* microseconds, CLOCK_MONOTONIC: the MPI's PTS */
SIM_API uint64_t sim_deadline(int32_t milliseconds);
SIM_API struct k_proc *sim_self(void);
SIM_API bool sim_private(void);
SIM_API const char *sim_dir(void);  /* "" if the state is private */
SIM_API const char *sim_root(void); /* MAIXSTREAM_ROOT or "" */
SIM_API bool sim_alive(int32_t pid, uint64_t start);
SIM_API void sim_reap(void);
SIM_API void sim_files(void); /* updates proc/ and sys/ of the simulated root; cheap if nothing changed */
SIM_API void sim_dirty(void);
SIM_API bool sim_node(const char *path);                                                      /* whether this device node can be opened */
SIM_API int sim_thread(pthread_t *thread, void *(*run)(void *), void *arg, const char *name); /* all signals blocked */

/* ---- calls, faults, settings ---- */

enum { SIM_WAITS = 1, SIM_LIFE = 2, SIM_QUIET = 4 };

struct sim_call {
	const char *name;
	int module, object; /* object: group or channel, -1 for none */
	int flags;
	int64_t result; /* if sim_enter returned false */
	bool interrupted;
};

/*
 * Starts every MPI call: counts it, checks threads and signals, stalls it or makes it fail. If false, return call->result
 * at once. If true, the lock is held until sim_leave.
 */
SIM_API bool sim_enter(struct sim_call *call, const char *name, int module, int object, int flags);
SIM_API int64_t sim_leave(struct sim_call *call, int64_t result);

/* A driver request, below a call: false if it is to be refused. */
SIM_API bool sim_request(const char *name);

SIM_API void sim_fault(const char *class, const char *call, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Where the real library dies by SIGSEGV: logs the violated rule as a fault and ends the process with status 139. */
SIM_API _Noreturn void sim_crash(const char *call, const char *rule);
SIM_API void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

SIM_API int64_t sim_setting(const char *key, int64_t otherwise);
SIM_API const char *sim_text(const char *key, const char *otherwise);
SIM_API bool sim_listed(const char *key, const char *word); /* whether word is in the comma-separated setting */

SIM_API void sim_count(const char *counter, int64_t add);

/* ---- ION, mappings, blocks ---- */

SIM_API uint64_t sim_ion_alloc(const char *name, uint32_t size); /* 0: over budget */
SIM_API bool sim_ion_free(uint64_t phys);
SIM_API struct k_ion *sim_ion_find(uint64_t phys);    /* the allocation that contains phys */
SIM_API void *sim_phys(uint64_t phys, uint64_t size); /* NULL unless entirely in the carveout */

enum sim_purpose { P_RAW, P_JPEG, P_H264, P_CANVAS, P_OTHER, P_KINDS };
SIM_API void *sim_map(uint64_t phys, uint32_t size, bool cached, enum sim_purpose purpose);
SIM_API bool sim_unmap(void *address, const char *call);
SIM_API void sim_protect(uint64_t phys, uint64_t size, bool accessible); /* the program's mappings of a block */
SIM_API int sim_mappings(enum sim_purpose purpose);

SIM_API int sim_pool_take(uint32_t pool, uint32_t size, enum k_holder holder, int *block); /* pool or -1 */
SIM_API bool sim_pool_has(uint32_t pool, uint32_t size);
SIM_API void sim_hold(int pool, int block, enum k_holder holder);
SIM_API bool sim_drop(int pool, int block, enum k_holder holder); /* false: it had no such reference */
SIM_API bool sim_block_at(uint64_t phys, int *pool, int *block);  /* the block that starts at phys */
SIM_API int sim_block_refs(int pool, int block);
SIM_API uint64_t sim_block_phys(int pool, int block);
SIM_API void sim_pools_clear(void);

/* ---- pictures ---- */

static inline uint32_t sim_align(uint32_t v, uint32_t a) { return (v + a - 1) / a * a; }
/* Lays out a VPSS or VI picture in a block; returns the bytes of the block, 0 for a format that is not simulated. */
SIM_API uint32_t sim_layout(struct k_frame *f, uint32_t format, uint32_t width, uint32_t height, uint64_t phys);
SIM_API void sim_frame_out(const struct k_frame *f, VIDEO_FRAME_INFO_S *out);

/* ---- the camera: sensor, receiver and ISP of this process ---- */

struct sim_mode {
	uint16_t width, height;
	float min_fps, fps;
};

struct sim_sensor {
	const char *name;
	uint8_t address, address2; /* 7-bit, on bus 4; address2 0: none */
	uint8_t id_bytes;          /* of the register's number */
	uint16_t id_register;
	uint8_t id[3], id_size;
	bool probes, needs_clock_pad;
	struct sim_mode modes[3];
	SNS_COMBO_DEV_ATTR_S rx;         /* without lanes */
	int8_t lanes[2][5], swaps[2][5]; /* the sensor's wiring: on MaixCAM, on MaixCAM-Pro */
};

extern SIM_API const struct sim_sensor sim_sensors[];
/* The sensor on this board; NULL if there is none, or it is unplugged, or its clock's pad is not set. */
SIM_API const struct sim_sensor *sim_fitted(void);

SIM_API int sim_mount(void);  /* 0 or 180 degrees */
SIM_API int sim_wiring(void); /* 0 MaixCAM, 1 MaixCAM-Pro, -1 custom (lane_id in /boot/board) */

/* The effect of exposure, white balance and colour on the scene. In automatic mode there is none: the light is as they want it. */
struct sim_tone {
	bool manual_exposure, manual_balance, manual_saturation;
	uint32_t exposure, gain; /* microseconds, 1/1024 */
	uint32_t bias;           /* 1/1024 */
	uint32_t red, blue;      /* 1/1024 */
	uint8_t saturation;
};

/* The scene's light: the settings that expose it correctly, and neutral saturation. */
#define SIM_EXPOSURE 10000
#define SIM_GAIN 1024
#define SIM_SATURATION 64

struct sim_camera {
	const struct sim_sensor *driver; /* the one whose object is registered */
	bool miswired;                   /* lanes do not match the board's */
	bool patched, initialised, bus, registered, imaged, wdr, probed, got_rx;
	float fps;
	uint16_t width, height;
	bool ae, awb, bound, memory, published, statistics, isp, leaving, exited;
	bool run_failed;  /* CVI_ISP_Run was made to fail: its thread exists, but is not in it */
	uint64_t shared;  /* this process's ISP_SHARED_BUFFER_0, 0: none */
	bool deaf;        /* a request was refused and the library did not report it: no frames arrive */
	int runs;         /* threads in CVI_ISP_Run */
	uint32_t longest; /* exposure, in microseconds */
	struct sim_tone tone;
};
extern SIM_API struct sim_camera sim_camera;

/* The reason why no frames would arrive; "" if there is none. */
SIM_API void sim_camera_missing(char *text, size_t size);
SIM_API float sim_camera_fps(void); /* 0: no frames at present */
/* Called by every ISP call except Exit: allocates the shared buffer if missing, as the real ones do; aborts if out of memory. */
SIM_API void sim_isp_touch(const char *call);

/* ---- between the modules; set by the library that contains the module ---- */

struct sim_hooks {
	bool (*venc_offer)(int chn, const struct k_frame *frame); /* bound input; true: it took a reference */
};
extern SIM_API struct sim_hooks sim_hook;

#endif
