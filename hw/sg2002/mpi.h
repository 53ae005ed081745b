/* The chip's libraries, opened at run time, and the table through which they are called. */
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

/* One pointer per function used; calling any other does not compile. Either all are set or the table is not used. */
struct mpi {
#define X(name, library) __typeof__(name) *name;
	MPI_CALLS(X)
#undef X
	/*
	 * libisp owns ISP_SHARED_BUFFER_0 and uses it again at the next registration of a sensor: whoever frees it as a dead process's makes
	 * the library write into memory that belongs to someone else by then. Only CVI_ISP_Exit releases it.
	 */
	bool isp_buffer;
	/* The simulator's hooks, NULL on a board. */
	int32_t (*i2c_transfer)(int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len);
	int32_t (*poke)(uint64_t addr, uint32_t value);
	int32_t (*report)(void);
	int64_t (*counter)(const char *name);
	int32_t (*set)(const char *settings);
};

/*
 * Opens a library, lazily and globally: the libraries depend on each other in a cycle, and missing functions are resolved when the
 * later ones are open. Returns a handle that is never closed, or NULL and the reason in error (error_size bytes).
 */
void *mpi_open(const char *path, char *error, size_t error_size);

/*
 * Fills the table. Returns NULL if every function was found, otherwise the name of the first missing one and, in *library, the library
 * that should export it.
 */
const char *mpi_resolve(struct mpi *mpi, const char **library);

/*
 * Finds a sensor object by its symbol in an opened library. Returns NULL if there is none. *size is the symbol's size in bytes, 0 if
 * unknown; ISP_SNS_OBJ_S of this vintage has 120.
 */
ISP_SNS_OBJ_S *mpi_sensor(void *handle, const char *symbol, size_t *size);

/* The file that contains an address, as the loader names it; "" if unknown. */
const char *mpi_file_of(const void *address);

#endif
