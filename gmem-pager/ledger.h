/* SPDX-License-Identifier: MIT */
/*
 * The durable record of one session on one side: what makes sure that exactly
 * one side runs.  One small file, named after ticket and role, replaced by
 * write, fsync, rename, fsync of the directory.
 *
 *   source       OFFERED -> IN_DOUBT -> RELEASED
 *                   |          `-----> RESUMED     (the destination never ran)
 *                   `----------------> ABORTED
 *   destination  OFFERED -> RUNNING -> COMPLETE
 *                   |          `-----> LOST
 *                   `----------------> ABORTED
 *
 * Each state is durable before the act that it allows:
 *   OFFERED   the first handshake byte       RUNNING   the VMM runs the guest
 *   IN_DOUBT  START                          COMPLETE  COMPLETE is sent
 *   ABORTED   the abort is told to the peer  RELEASED  the source frees a page
 *   RESUMED   the source thaws
 * A ticket that has a record is burnt: it starts no second session.
 */
#ifndef GMEM_PAGER_LEDGER_H
#define GMEM_PAGER_LEDGER_H

#include <stdint.h>

#include <attest/attest.h>

enum ledger_state {
	LEDGER_NONE = 0,
	LEDGER_OFFERED,
	LEDGER_IN_DOUBT,
	LEDGER_RESUMED,
	LEDGER_RELEASED,
	LEDGER_RUNNING,
	LEDGER_COMPLETE,
	LEDGER_LOST,
	LEDGER_ABORTED,
	LEDGER_N_STATES,
};

struct ledger;

/*
 * Open the record's directory, making it (mode 0700) if its parent is there.
 * @role: of this side.  @peer_key: the peer's pinned public key.
 * -errno: the directory cannot be made, opened or written.
 */
int ledger_open(const char *dir, enum attest_role role, const uint8_t ticket_id[ATTEST_ID_LEN],
		const uint8_t peer_key[ATTEST_KEY_LEN], struct ledger **ret_ledger);

void ledger_close(struct ledger *ledger);

/*
 * Make @state durable.  Blocks for the disk.  0 if it is that state already.
 * -EEXIST OFFERED, and the ticket has a record; -EPROTO not a step of the table
 * above; else -errno of the file system, the record may be the old or the new one.
 */
int ledger_write(struct ledger *ledger, enum ledger_state state);

enum ledger_state ledger_state(const struct ledger *ledger);
const char *ledger_state_name(enum ledger_state state);

#endif
