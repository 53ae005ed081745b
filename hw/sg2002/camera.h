/* Go's view of a session: the one thread that makes all MPI calls. */
#ifndef MAIXSTREAM_SG2002_CAMERA_H
#define MAIXSTREAM_SG2002_CAMERA_H

#include "bringup.h"
#include "session.h"

/* Creates a session and its thread; NULL if out of memory or threads. gate must stay valid and in place while the thread lives. */
struct camera *camera_new(struct mpi *mpi, struct gate *gate);

/*
 * Go runs an operation without a cgo call (thread.go): it sets op and its arguments, signals wake and waits for ready.
 * An operation that takes too long is given up: from then on its thread no longer touches the caller's memory, and only
 * camera_abandon may be called.
 */
void camera_give_up(struct camera *c);

/* Ends the thread and frees the session, which must be down. */
void camera_free(struct camera *c);

/* Abandons a session with a hanging call: the thread frees nothing and no longer touches the caller's memory. */
void camera_abandon(struct camera *c);

#endif
