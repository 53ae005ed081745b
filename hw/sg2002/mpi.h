/* The chip's libraries, opened at run time, and the thread that calls them. */
#ifndef MAIXSTREAM_SG2002_MPI_H
#define MAIXSTREAM_SG2002_MPI_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calls.h"
#include "cvi_errors.h"
#include "cvi_isp.h"
#include "cvi_mipi.h"
#include "cvi_rgn.h"
#include "cvi_sensor.h"
#include "cvi_sys.h"
#include "cvi_venc.h"
#include "cvi_vi.h"
#include "cvi_vpss.h"

/* One pointer for each function that is called; calling another does not compile. All are set, or the table is not used. */
struct mpi {
#define X(name, library) __typeof__(name) *name;
	MPI_CALLS(X)
#undef X
	/*
	 * libisp has ISP_SHARED_BUFFER_0 and uses it again at the next registration of a sensor: whoever frees it as a dead process's makes
	 * the library write into what is somebody else's by then. Only CVI_ISP_Exit gives it back.
	 */
	bool isp_buffer;
	/* The simulator's own, NULL on a board. */
	int32_t (*i2c_transfer)(int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len);
	int32_t (*poke)(uint64_t addr, uint32_t value);
	int32_t (*report)(void);
	int64_t (*counter)(const char *name);
	int32_t (*set)(const char *settings);
};

/*
 * Opens one library, lazily and globally: they need one another in a circle, and the missing functions are found when the
 * later ones are there. Returns a handle that is never closed, or NULL and why in error (error_size bytes).
 */
void *mpi_open(const char *path, char *error, size_t error_size);

/*
 * Fills the table. Returns NULL when every function was found, else the name of the first that was not, and the library that
 * should have it in *library.
 */
const char *mpi_resolve(struct mpi *mpi, const char **library);

/*
 * Finds a sensor object by its symbol in an opened library. Returns NULL when there is none. *size is the symbol's size in bytes, 0 when
 * it cannot be told; ISP_SNS_OBJ_S of this vintage has 120.
 */
ISP_SNS_OBJ_S *mpi_sensor(void *handle, const char *symbol, size_t *size);

/* The file that holds an address, as the loader names it; "" when unknown. */
const char *mpi_file_of(const void *address);

#endif
