/* SPDX-License-Identifier: MIT */
/*
 * move: the guest leaves, or arrives, with libgmem.
 *
 * A move runs in a thread of its own, the only one that uses the libgmem
 * handle.  What others may know is in struct move under its lock.
 *
 * Source:       connect, attach, prepare (guest runs); pause; save; START;
 *               wait STARTED; hash; wait COMPLETE; end with code 0.
 *               A failure before START left: resume.  After: never again here.
 * Destination:  connect, attach, wait START; restore; RUN; resume;
 *               wait COMPLETE.  A failure: the guest stops.
 */
#ifndef VMM_MOVE_H
#define VMM_MOVE_H

#include <gmem/gmem.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

enum move_state {
	MOVE_NONE,
	MOVE_UNDER_WAY,
	MOVE_COMPLETE,
	MOVE_FAILED,	/* source: the guest runs on here */
	MOVE_LOST,	/* in doubt, or stopped */
};

/* CLOCK_MONOTONIC, nanoseconds, 0: not reached. */
struct move_times {
	uint64_t begin;		/* source: command; destination: attached */
	uint64_t prepared;	/* source: both sides accepted each other; destination: START is here */
	uint64_t paused;	/* source: began to stop the vCPUs */
	uint64_t stopped;	/* source: they are parked */
	uint64_t saved;		/* state saved, or restored */
	uint64_t start;		/* source: START sent; destination: RUN granted */
	uint64_t started;	/* source: STARTED received; destination: vCPUs released */
	uint64_t hashed;	/* source: hashes written */
	uint64_t complete;
};

struct move {
	struct machine *machine;
	const char *socket;
	const char *next_socket;	/* gmem-source's, for a guest that came in; or NULL */
	bool incoming;
	int service_wait_s;	/* how long the service may be away */
	uint32_t rights;	/* of the sessions that it is given */
	bool has_thread;
	pthread_t thread;
	char *hash_path;	/* source, or NULL */

	pthread_mutex_t lock;	/* everything below */
	pthread_cond_t changed;
	enum move_state state;
	struct move_times times;
	struct gmem_progress progress;
	bool has_progress;
	uint64_t pages_hashed;
	char error[512];
};

/**
 * @param pager_socket of gmem-pager if the guest comes in, or NULL.
 * @param source_socket of gmem-source; NULL: the guest cannot leave. Both borrowed.
 */
void move_init(struct move *move, struct machine *machine, const char *pager_socket, const char *source_socket,
	       int service_wait_s);

/**
 * Start the thread.  A guest that came in, and has all of its memory, leaves.
 * @param hash_path source: where to write hashes of the fixed pages while the
 *                  VM is frozen; copied; may be NULL.
 * @retval -EBUSY one is under way, or the guest is paused by somebody.
 */
int move_begin(struct move *move, const char *hash_path);

/** Wait for the end. @retval -ETIMEDOUT; @retval -EIO it failed, with its sentence. */
int move_wait(struct move *move, int timeout_ms);

/** What ending the process now would do to the guest. */
enum move_risk { MOVE_RISK_NONE, MOVE_RISK_DOUBT, MOVE_RISK_LOSS };
enum move_risk move_risk(struct move *move);

/* For move_source.c and move_dest.c. */
void move_source(struct move *move);
void move_dest(struct move *move);
void move_stamp(struct move *move, uint64_t *time);
void move_end(struct move *move, enum move_state state, const char *sentence);
void move_read_progress(struct move *move, gmem_client *client);
/** Connect, create a session with @p rights, hand it over, close the own copy. */
int move_attach(struct move *move, enum gmem_role role, uint32_t rights, gmem_client **ret_client);
/** Set the error sentence from libgmem's and @p what. @return @p err */
int move_error(int err, const gmem_client *client, const char *what);

#endif
