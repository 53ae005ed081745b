/* The MPI opened as a program opens it, and a bring-up whose steps can be left out one by one. */
#ifndef SIMTEST_MPI_H
#define SIMTEST_MPI_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/cvi_errors.h"
#include "../include/cvi_isp.h"
#include "../include/cvi_mipi.h"
#include "../include/cvi_rgn.h"
#include "../include/cvi_sensor.h"
#include "../include/cvi_symbols.h"
#include "../include/cvi_sys.h"
#include "../include/cvi_venc.h"
#include "../include/cvi_vi.h"
#include "../include/cvi_vpss.h"
#include "../sim/maixsim.h"

struct mpi {
#define X(function, library) __typeof__(function) *function;
	CVI_SYMBOLS(X)
#undef X
	__typeof__(maixsim_report) *report;
	__typeof__(maixsim_counter) *counter;
	__typeof__(maixsim_set) *set;
	__typeof__(maixsim_i2c_transfer) *i2c;
	__typeof__(maixsim_poke) *poke;
	ISP_SNS_OBJ_S *sensor;
};
extern struct mpi m;

void mpi_open(const char *dir, const char *sensor_library);

/* ---- bringing up the camera, in the order of the board's own software ---- */

struct setup {
	uint32_t sensor_w, sensor_h, w, h;
	float fps;
	bool bind, crop, mirror, flip;
	uint32_t quality, depth, blocks;
	bool jfif;
};
extern struct setup setup;
extern int frame_timeout; /* how long next_jpeg waits for VPSS, in milliseconds */

/* Runs all steps except those named in skip (comma-separated); returns -1 if all succeeded, otherwise the number of the step that failed. */
int bring_up(const char *skip);
const char *step_name(int step); /* NULL after the last */
/* Undoes the completed steps, in the right order; steps named in skip are left out. */
void tear_down(const char *skip);

/* ---- streaming ---- */

struct jpeg {
	uint8_t data[4 << 20];
	uint32_t len;
	uint64_t pts;
};
int next_jpeg(struct jpeg *j); /* through path frame or bound as set up; returns 0 or the failing call's code */

/* ---- checks ---- */

void check_at(const char *file, int line, bool ok, const char *format, ...) __attribute__((format(printf, 4, 5)));
#define CHECK(ok, ...) check_at(__FILE__, __LINE__, ok, __VA_ARGS__)

struct image {
	uint32_t w, h;
	uint8_t *y, *u, *v; /* full-size planes */
};
bool decode(const struct jpeg *j, struct image *image);
void image_free(struct image *image);
int64_t frame_number(const struct image *image, uint32_t crop_x, uint32_t crop_w); /* -1: the cells are not valid */

struct scenario {
	const char *name;
	void (*run)(void);
	const char *expect; /* "CLASS call" pairs separated by ';', all must be logged and nothing else; NULL: an empty log */
};
extern const struct scenario right[], wrong[], right_h264[], wrong_h264[];

#endif
