// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/kvm_demand_paging.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "move.h"
#include "pagehash.h"
#include "state.h"

#define RIGHTS (KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_QUERY | KVM_DP_RIGHT_FREEZE)

/* Everything up to START: after a failure here the guest runs on. */
static int prepare(struct move *move, gmem_client **ret_client)
{
	gmem_client *client;
	int err;

	move_stamp(move, &move->times.begin);
	err = move_attach(move, GMEM_ROLE_SOURCE, RIGHTS, &client);
	if (err)
		return err;
	err = gmem_source_prepare(client);
	if (err) {
		err = move_error(err, client, "the destination cannot be prepared");
		gmem_close(client);
		return err;
	}
	move_stamp(move, &move->times.prepared);
	*ret_client = client;
	return 0;
}

static int start(struct move *move, gmem_client *client, const struct blob_set *set)
{
	struct gmem_state states[BLOB_MAX_BLOBS];
	int err;

	for (size_t i = 0; i < set->n_blobs; i++) {
		states[i] = (struct gmem_state){ .data = set->blobs[i].data, .data_len = set->blobs[i].data_len };
		snprintf(states[i].name, sizeof(states[i].name), "%s", set->blobs[i].name);
	}
	err = gmem_source_start(client, states, set->n_blobs);
	if (err)
		return move_error(err, client, "START");
	move_stamp(move, &move->times.start);
	return 0;
}

static int pause_and_start(struct move *move, gmem_client *client)
{
	struct machine *machine = move->machine;
	struct blob_set set;
	int err;

	move_stamp(move, &move->times.paused);
	vcpus_pause(machine);
	move_stamp(move, &move->times.stopped);
	err = state_save(machine, &set);
	if (!err) {
		move_stamp(move, &move->times.saved);
		err = start(move, client, &set);
	} else if (err == -EINPROGRESS) {
		err = -EIO;	/* only START may say that it may have left */
	}
	blob_set_fini(&set);
	return err;
}

/* Frozen now, and not by us: a session of our own reads what the guest never writes. */
static int hash(struct move *move)
{
	struct machine *machine = move->machine;
	struct console_range *ranges;
	size_t n_ranges;
	uint64_t n_pages;
	int session_fd, err;

	if (!move->hash_path)
		return 0;
	err = console_get_ranges(&machine->console, &ranges, &n_ranges);
	if (err)
		return err;
	err = paging_create_session(&machine->paging, KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_QUERY, &session_fd);
	if (!err) {
		err = pagehash_write(machine, session_fd, ranges, n_ranges, move->hash_path, &n_pages);
		close(session_fd);
	}
	free(ranges);
	if (err)
		return err;
	pthread_mutex_lock(&move->lock);
	move->pages_hashed = n_pages;
	pthread_mutex_unlock(&move->lock);
	move_stamp(move, &move->times.hashed);
	return 0;
}

static void end_in_doubt(struct move *move, const char *what)
{
	char sentence[512];

	snprintf(sentence, sizeof(sentence),
		 "%s. The guest is frozen here and does not run on: it may run at the destination",
		 what);
	move_end(move, MOVE_LOST, sentence);
	machine_stop(move->machine, EXIT_DOUBT, "move in doubt: %s", sentence);
}

/* After START: there is no way back. */
static void follow(struct move *move, gmem_client *client)
{
	int hash_err, err;
	char hash_error[512];

	err = gmem_wait(client, GMEM_PHASE_RUNNING, -1, NULL);
	if (err) {
		move_error(err, client, "no answer to START");
		end_in_doubt(move, error_get());
		return;
	}
	move_stamp(move, &move->times.started);
	error_note("the destination runs the guest");
	hash_err = hash(move);
	snprintf(hash_error, sizeof(hash_error), "%s", error_get());
	err = gmem_wait(client, GMEM_PHASE_COMPLETE, -1, NULL);
	move_read_progress(move, client);
	if (err) {
		move_error(err, client, "the destination began, and did not get all memory");
		end_in_doubt(move, error_get());
		return;
	}
	move_stamp(move, &move->times.complete);
	if (hash_err) {
		move_end(move, MOVE_COMPLETE, "");
		machine_stop(move->machine, EXIT_CRASH, "the guest moved, its pages could not be hashed: %s", hash_error);
		return;
	}
	move_end(move, MOVE_COMPLETE, "");
	machine_stop(move->machine, EXIT_OK, "guest moved away: every page is at the destination");
}

void move_source(struct move *move)
{
	struct machine *machine = move->machine;
	gmem_client *client = NULL;
	int err;

	err = prepare(move, &client);
	if (err) {
		move_end(move, MOVE_FAILED, error_get());
		error_note("move failed, the guest runs on here: %s", error_get());
		return;
	}
	pthread_mutex_lock(&machine->operation);
	err = pause_and_start(move, client);
	if (!err) {
		follow(move, client);
	} else if (err == -EINPROGRESS) {
		end_in_doubt(move, error_get());
	} else {
		vcpus_resume(machine);
		move_end(move, MOVE_FAILED, error_get());
		error_note("move failed, the guest runs on here: %s", error_get());
	}
	pthread_mutex_unlock(&machine->operation);
	gmem_close(client);
}
