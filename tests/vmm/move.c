// SPDX-License-Identifier: MIT
#include "move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

void move_init(struct move *move, struct machine *machine, const char *pager_socket, const char *source_socket,
	       int service_wait_s)
{
	pthread_condattr_t attr;

	memset(move, 0, sizeof(*move));
	move->machine = machine;
	move->incoming = !!pager_socket;
	move->socket = pager_socket ? pager_socket : source_socket;
	move->next_socket = pager_socket ? source_socket : NULL;
	move->service_wait_s = service_wait_s;
	pthread_mutex_init(&move->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&move->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void move_stamp(struct move *move, uint64_t *time)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&move->lock);
	*time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	pthread_mutex_unlock(&move->lock);
}

void move_end(struct move *move, enum move_state state, const char *sentence)
{
	pthread_mutex_lock(&move->lock);
	move->state = state;
	snprintf(move->error, sizeof(move->error), "%s", sentence);
	pthread_cond_broadcast(&move->changed);
	pthread_mutex_unlock(&move->lock);
}

void move_read_progress(struct move *move, gmem_client *client)
{
	struct gmem_progress progress;

	/* Figures only: a service that is gone is noticed by the calls that matter. */
	if (gmem_get_progress(client, &progress))
		return;
	pthread_mutex_lock(&move->lock);
	move->progress = progress;
	move->has_progress = true;
	pthread_mutex_unlock(&move->lock);
}

int move_error(int err, const gmem_client *client, const char *what)
{
	const char *sentence = client ? gmem_last_error(client) : "";

	if (*sentence) {
		error_set(-EPROTO, "%s: %s", what, sentence);	/* says it all, without the errno's text */
		return err;
	}
	return error_set(err, "%s", what);
}

/* For a service that was started again. */
static int new_session(void *opaque)
{
	struct move *move = opaque;
	int session_fd, err;

	err = paging_create_session(&move->machine->paging, move->rights, &session_fd);
	return err ? err : session_fd;
}

int move_attach(struct move *move, enum gmem_role role, uint32_t rights, gmem_client **ret_client)
{
	const char *service = role == GMEM_ROLE_SOURCE ? "gmem-source" : "gmem-pager";
	struct gmem_region regions[MEMORY_N_SLOTS];
	size_t n_regions = memory_list_regions(&move->machine->memory, regions);
	gmem_client *client;
	char what[256];
	int session_fd, err;

	err = gmem_connect(move->socket, role, &client);
	if (err) {
		snprintf(what, sizeof(what), "no %s at %s: start it first", service, move->socket);
		return move_error(err, NULL, what);
	}
	move->rights = rights;
	err = gmem_set_custody(client, new_session, move, move->service_wait_s * 1000);
	if (!err)
		err = paging_create_session(&move->machine->paging, rights, &session_fd);
	if (err)
		goto err_close;
	err = gmem_attach(client, session_fd, regions, n_regions);
	/* Only the service may hold it: when it dies, the kernel has to notice. */
	close(session_fd);
	if (err) {
		snprintf(what, sizeof(what), "%s does not take the guest's memory", service);
		err = move_error(err, client, what);
		goto err_close;
	}
	*ret_client = client;
	return 0;
err_close:
	gmem_close(client);
	return err;
}

static void *thread_main(void *arg)
{
	struct move *move = arg;

	if (move->incoming)
		move_dest(move);
	else
		move_source(move);
	return NULL;
}

/* Under the lock: all of the guest has come in, and may leave now. */
static void turn_round(struct move *move)
{
	move->incoming = false;
	move->socket = move->next_socket;
	move->next_socket = NULL;
	move->has_progress = false;
	move->state = MOVE_NONE;
}

int move_begin(struct move *move, const char *hash_path)
{
	int err;

	if (!move->socket)
		return error_set(-EINVAL, "this guest cannot move: give --gmem-source");
	pthread_mutex_lock(&move->lock);
	if (move->state == MOVE_COMPLETE && move->next_socket)
		turn_round(move);
	if (move->state == MOVE_UNDER_WAY || move->state == MOVE_COMPLETE || move->state == MOVE_LOST) {
		pthread_mutex_unlock(&move->lock);
		return error_set(-EBUSY, "a move is under way or done");
	}
	if (move->has_thread)
		pthread_join(move->thread, NULL);	/* of a failed try: it has ended */
	free(move->hash_path);
	move->hash_path = hash_path ? strdup(hash_path) : NULL;
	memset(&move->times, 0, sizeof(move->times));
	move->error[0] = '\0';
	err = -pthread_create(&move->thread, NULL, thread_main, move);
	move->has_thread = !err;
	if (!err)
		move->state = MOVE_UNDER_WAY;
	pthread_mutex_unlock(&move->lock);
	return err ? error_set(err, "no thread for the move") : 0;
}

/* A guest that ended in another way ends no move: look for it now and then. */
#define LOOK_MS 100

static void later_by(struct timespec *time, int ms)
{
	time->tv_sec += ms / 1000;
	time->tv_nsec += (long)(ms % 1000) * 1000000;
	if (time->tv_nsec >= 1000000000) {
		time->tv_sec++;
		time->tv_nsec -= 1000000000;
	}
}

int move_wait(struct move *move, int timeout_ms)
{
	struct timespec look;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &look);
	pthread_mutex_lock(&move->lock);
	while ((move->state == MOVE_NONE || move->state == MOVE_UNDER_WAY) && !err) {
		later_by(&look, LOOK_MS);
		timeout_ms -= LOOK_MS;
		pthread_cond_timedwait(&move->changed, &move->lock, &look);
		if (move->state == MOVE_NONE && machine_has_ended(move->machine))
			err = -ESHUTDOWN;
		else if (timeout_ms <= 0)
			err = -ETIMEDOUT;
	}
	if (move->state == MOVE_COMPLETE)
		err = 0;
	else if (err)
		err = error_set(err, "the move has not ended");
	else
		err = error_set(-EPROTO, "%s", move->error);
	pthread_mutex_unlock(&move->lock);
	return err;
}

enum move_risk move_risk(struct move *move)
{
	enum move_risk risk = MOVE_RISK_NONE;

	pthread_mutex_lock(&move->lock);
	if (move->state == MOVE_UNDER_WAY && move->incoming && move->times.prepared)
		risk = MOVE_RISK_LOSS;
	else if (move->state == MOVE_UNDER_WAY && move->times.saved)
		risk = MOVE_RISK_DOUBT;
	pthread_mutex_unlock(&move->lock);
	return risk;
}
