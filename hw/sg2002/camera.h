/* A session as Go sees it: the one thread that makes all calls of the MPI. */
#ifndef MAIXSTREAM_SG2002_CAMERA_H
#define MAIXSTREAM_SG2002_CAMERA_H

#include "bringup.h"
#include "session.h"

/* Makes a session and its thread; NULL when memory or threads are short. gate must not move or go as long as the thread lives. */
struct camera *camera_new(struct mpi *mpi, struct gate *gate);

/*
 * An operation is run from Go without a call of C (thread.go): op and what it needs are set, wake is signalled, ready awaited.
 * An operation that takes too long is given up: from then on its thread touches the caller's memory no more, and only
 * camera_abandon may be called.
 */
void camera_give_up(struct camera *c);

/* Ends the thread and frees the session, which must be down. */
void camera_free(struct camera *c);

/* Leaves a session with a call that hangs to its fate: the thread frees nothing and touches the caller's memory no more. */
void camera_abandon(struct camera *c);

#endif
