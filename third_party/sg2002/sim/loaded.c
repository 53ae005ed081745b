#include <stdlib.h>

#include "core.h"

/* A program that loads the libraries finds the board's files as a kernel would have left them. */
__attribute__((constructor)) static void loaded(void)
{
	const char *r = getenv("MAIXSTREAM_ROOT"), *d = getenv("MAIXSIM_DIR");

	if (!(r && *r) && !(d && *d))
		return;
	sim_lock();
	sim_reap();
	sim_dirty();
	sim_unlock();
}
