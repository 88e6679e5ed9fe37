// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/kvm_demand_paging.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "move.h"
#include "state.h"

#define RIGHTS (KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE | KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_DISCARD | \
		KVM_DP_RIGHT_QUERY)
#define PROGRESS_MS 200

static int take_states(gmem_client *client, struct blob_set *set)
{
	const struct gmem_state *states;
	size_t n_states;
	int err;

	err = gmem_pager_wait_start(client, &states, &n_states);
	if (err)
		return move_error(err, client, "no guest came");
	for (size_t i = 0; i < n_states && !err; i++) {
		if (!memchr(states[i].name, 0, sizeof(states[i].name)))
			return error_set(-EPROTO, "a piece of state has a name without an end");
		err = blob_put_raw(set, states[i].name, states[i].data, states[i].data_len);
	}
	return err;
}

static int receive(struct move *move, gmem_client *client)
{
	struct blob_set set = { .n_blobs = 0 };
	int err;

	move_stamp(move, &move->times.begin);
	err = take_states(client, &set);
	if (!err) {
		move_stamp(move, &move->times.prepared);
		err = state_restore(move->machine, &set);
	}
	blob_set_fini(&set);
	if (err)
		return err;
	move_stamp(move, &move->times.saved);
	err = gmem_pager_run(client);
	if (err)
		return move_error(err, client, "the guest may not run here");
	move_stamp(move, &move->times.start);
	return 0;
}

static void follow(struct move *move, gmem_client *client)
{
	char sentence[512];
	int err;

	do {
		err = gmem_wait(client, GMEM_PHASE_COMPLETE, PROGRESS_MS, NULL);
		move_read_progress(move, client);
	} while (err == -ETIMEDOUT);
	if (err) {
		move_error(err, client, "the move broke off");
		snprintf(sentence, sizeof(sentence), "%s: guest stopped, not all of its memory is here", error_get());
		machine_stop(move->machine, EXIT_MISSING, "%s", sentence);
		move_end(move, MOVE_LOST, sentence);
		return;
	}
	move_stamp(move, &move->times.complete);
	error_note("every page of the guest is here");
	move_end(move, MOVE_COMPLETE, "");
}

void move_dest(struct move *move)
{
	gmem_client *client;
	int err;

	err = move_attach(move, GMEM_ROLE_PAGER, RIGHTS, &client);
	if (err) {
		machine_stop(move->machine, EXIT_MISSING, "incoming move failed: %s", error_get());
		move_end(move, MOVE_LOST, error_get());
		return;
	}
	err = receive(move, client);
	if (err) {
		machine_stop(move->machine, EXIT_MISSING, "incoming move failed, the guest has not run here: %s", error_get());
		move_end(move, MOVE_LOST, error_get());
	} else {
		vcpus_resume(move->machine);
		move_stamp(move, &move->times.started);
		follow(move, client);
	}
	gmem_close(client);
}
