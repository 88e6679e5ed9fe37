// SPDX-License-Identifier: MIT
/*
 * attach -> prepare -> start, as the phase allows.  Which snapshot a session is about is noted beside its record before
 * START: a process that goes on with the session serves no other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "backend_snapshot.h"
#include "log.h"
#include "restore.h"

#define ROOT_HEX_LEN (2u * SNAPFILE_ROOT_LEN + 1u)

static void root_of(const struct source *source, char ret_hex[ROOT_HEX_LEN])
{
	sodium_bin2hex(ret_hex, ROOT_HEX_LEN, snapfile_reader_root(source->session.config->restore), SNAPFILE_ROOT_LEN);
}

static void end(struct source *source, int status, const char *error)
{
	session_end(&source->session, SESSION_LOCAL, status, "%s", error[0] != '\0' ? error : strerror(-status));
}

static size_t get_regions(const struct manifest *manifest, struct gmem_region ret_regions[GMEM_MAX_REGIONS])
{
	uint32_t i;

	for (i = 0; i < manifest->n_regions; i++)
		ret_regions[i] = (struct gmem_region){
			.gpa = manifest->regions[i].gfn * GMEM_PAGE_SIZE,
			.size = manifest->regions[i].n_pages * GMEM_PAGE_SIZE,
			.flags = manifest->regions[i].flags, .shared_fd = -1,
		};
	return manifest->n_regions;
}

/* START may have told of the pages of one snapshot; another one's are not those. */
static int check_same(const struct source *source, char *ret_error, size_t error_len)
{
	char hex[ROOT_HEX_LEN], noted[ROOT_HEX_LEN];

	if (source->session.phase < GMEM_PHASE_STARTED)
		return 0;
	root_of(source, hex);
	if (ledger_get_snapshot(source->session.ledger, noted, sizeof(noted)) && strcmp(noted, hex) == 0)
		return 0;
	snprintf(ret_error, error_len, "this session is about another snapshot: start with the file that it began with");
	return -ESTALE;
}

/* A second runner needs a ticket of its own: said before anybody is dialled. */
static int check_ticket(const struct source *source, char *ret_error, size_t error_len)
{
	const struct session_config *config = source->session.config;

	if (ledger_was_resumed(source->session.ledger) ||
	    !ledger_has_record(config->state_dir, ATTEST_INITIATOR, config->ticket_id))
		return 0;
	snprintf(ret_error, error_len, "this ticket was used before (there is a record of it in %.100s): each restore of a "
		 "snapshot is another runner, and needs a new one", config->state_dir);
	return -EACCES;
}

static int attach(struct source *source, char *ret_error, size_t error_len)
{
	struct snapfile_reader *reader = source->session.config->restore;
	struct gmem_region regions[GMEM_MAX_REGIONS];
	const size_t n_regions = get_regions(snapfile_reader_manifest(reader), regions);
	const bool again = ledger_was_resumed(source->session.ledger);
	struct backend *backend;
	int r = check_ticket(source, ret_error, error_len);

	if (r == 0)
		r = check_same(source, ret_error, error_len);
	if (r == 0)
		r = backend_snapshot_new(reader, again, &backend);
	if (r < 0)
		return r;
	source->session.again = again;
	source->workset = source->session.config->workset;
	if (again)	/* what the guest has asked for until now is not known */
		workset_drop(source->workset, "this restore was begun by a process before this one");
	r = source_attach(source, backend, regions, n_regions, ret_error, error_len);
	if (r < 0)
		backend->ops->close(backend);
	else
		log_info("a snapshot of %zu regions and %llu pages is served", n_regions,
			 (unsigned long long)snapfile_reader_header(reader)->n_pages);
	return r;
}

static int start(struct source *source, char *ret_error, size_t error_len)
{
	char hex[ROOT_HEX_LEN];
	int r;

	root_of(source, hex);
	r = ledger_note_snapshot(source->session.ledger, hex);
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot note in %s which snapshot this is: %s",
			 source->session.config->state_dir, strerror(-r));
		return r;
	}
	r = source_start(source, snapfile_reader_states(source->session.config->restore), ret_error, error_len);
	/* The connection may come back; any other failure has ended the move. */
	return r == -ENOTCONN ? 0 : r;
}

/* A guest waits for each tick that is spent on nothing. */
static int step(struct source *source, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	const enum gmem_phase phase = session_get_phase(session, NULL, NULL);
	int r;

	if (source->guest == NULL) {
		r = attach(source, ret_error, error_len);
		if (r < 0)
			return r;
	}
	if (phase == GMEM_PHASE_IDLE)
		return session->has_control ? 0 : source_prepare(source);
	if (phase == GMEM_PHASE_ACCEPTED || (phase == GMEM_PHASE_STARTED && !session->has_control))
		return start(source, ret_error, error_len);
	return 0;
}

static void tick_workset(struct source *source)
{
	struct session *session = &source->session;

	workset_tick(source->workset, session_get_phase(session, NULL, NULL), atomic_load(&session->stats.started_us),
		     stats_now_us());
}

void restore_tick(struct source *source)
{
	char error[SESSION_ERROR_LEN] = "";
	int r;

	tick_workset(source);
	if (session_has_ended(&source->session))
		return;
	r = step(source, error, sizeof(error));
	if (r < 0 && r != -EINPROGRESS)
		end(source, r, error);
}

void restore_stop(struct source *source)
{
	tick_workset(source);
	if (session_table_is_final(ATTEST_INITIATOR, ledger_state(source->session.ledger)))
		ledger_forget_snapshot(source->session.ledger);
}
