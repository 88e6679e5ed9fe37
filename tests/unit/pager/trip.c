// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "restart.h"
#include "trip.h"

#define STATE "registers"

/* Nothing here is about a time that is up; a starved machine takes long for a handshake. */
static void be_patient(struct session_config *config)
{
	config->connect_ms = config->handshake_ms = config->peer_ms = 30000 * PATIENCE;
}

void trip_init(struct trip *trip)
{
	memset(trip, 0, sizeof(*trip));
	duo_init(&trip->duo, TRIP_PRIVATE, TRIP_SHARED);
	be_patient(&trip->duo.source_config);
	be_patient(&trip->duo.pager_config);
	snprintf(trip->path, sizeof(trip->path), "%s/vm.snap", trip->duo.dir);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&trip->writer_key), 0);
	trip->config = trip->duo.source_config;
	trip->config.keypair = trip->writer_key;
	memcpy(trip->config.peer_key, attest_keypair_public(trip->duo.source_key), ATTEST_KEY_LEN);
	randombytes_buf(trip->config.ticket_id, ATTEST_ID_LEN);
	trip->wanted = (struct snapfile_wanted){
		.path = trip->path, .recipient = trip->duo.source_key, .has_root = true,
	};
	memcpy(trip->wanted.writer, attest_keypair_public(trip->writer_key), ATTEST_KEY_LEN);
}

void trip_end_suspend(struct trip *trip)
{
	if (trip->suspend != NULL)
		suspend_stop(trip->suspend);
	suspend_free(trip->suspend);
	snapfile_writer_free(trip->writer);
	trip->suspend = NULL;
	trip->writer = NULL;
}

void trip_end_restore(struct trip *trip)
{
	if (trip->duo.source != NULL) {
		source_stop(trip->duo.source);
		restore_stop(trip->duo.source);
	}
	source_free(trip->duo.source);
	trip->duo.source = NULL;
	snapfile_reader_free(trip->reader);
	trip->reader = NULL;
}

void trip_fini(struct trip *trip)
{
	trip_end_suspend(trip);
	trip_end_restore(trip);
	attest_keypair_free(trip->writer_key);
	duo_fini(&trip->duo);
}

bool trip_exists(const struct trip *trip, const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s", trip->path, suffix);
	return access(path, F_OK) == 0;
}

/* What the record of the suspend says. */
enum attest_state trip_recorded(const struct trip *trip)
{
	return ledger_state(trip->suspend->session.ledger);
}

/* Up to a VM that is attached. */
void trip_open_suspend(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(trip->path, &trip->writer, trip->error), 0);
	trip->config.suspend = trip->writer;
	CU_ASSERT_EQUAL_FATAL(suspend_new(&trip->config, &trip->suspend, trip->error, sizeof(trip->error)), 0);
	CU_ASSERT_EQUAL_FATAL(suspend_attach(trip->suspend, fake_vm_session(&duo->source_vm), duo->source_regions,
					     duo->n_regions, trip->error, sizeof(trip->error)), 0);
}

int trip_start(struct trip *trip)
{
	struct states_part part = { .n_states = 1, .total_len = sizeof(STATE), .name = "vcpu0.regs" };
	struct states states;
	int r;

	states_init(&states);
	CU_ASSERT_EQUAL_FATAL(states_add(&states, &part, STATE, sizeof(STATE)), 0);
	r = suspend_start(trip->suspend, &states, trip->error, sizeof(trip->error));
	states_fini(&states);
	return r;
}

enum gmem_phase trip_wait_suspend(struct trip *trip)
{
	enum gmem_phase phase = GMEM_PHASE_IDLE;
	int i;

	for (i = 0; i < 12000 * PATIENCE && phase < GMEM_PHASE_COMPLETE; i++) {
		session_tick(&trip->suspend->session);
		phase = session_get_phase(&trip->suspend->session, NULL, trip->error);
		restart_sleep_ms(5);
	}
	return phase;
}

void trip_suspend_all(struct trip *trip)
{
	trip_open_suspend(trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip->suspend), 0);
	CU_ASSERT_EQUAL_FATAL(trip_start(trip), 0);
	CU_ASSERT_EQUAL_FATAL(trip_wait_suspend(trip), GMEM_PHASE_COMPLETE);
	memcpy(trip->wanted.root, trip->suspend->root, SNAPFILE_ROOT_LEN);
}

void trip_open_reader(struct trip *trip)
{
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(snapfile_reader_open(trip->path, &fd, trip->error), 0);
	CU_ASSERT_EQUAL_FATAL(snapfile_reader_new(fd, &trip->wanted, &trip->reader, trip->error), 0);
	trip->duo.source_config.restore = trip->reader;
}

void trip_open_source(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
}

void trip_open_pager(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
	CU_ASSERT_EQUAL_FATAL(pager_attach(duo->pager, fake_vm_session(&duo->pager_vm), duo->pager_regions, duo->n_regions,
					   duo->error, sizeof(duo->error)), 0);
}

/* Both owners at work, until the phases are these, or something has ended. */
bool trip_wait_restore(struct trip *trip, enum gmem_phase pager, enum gmem_phase source)
{
	struct duo *duo = &trip->duo;
	enum gmem_phase p, s;
	int i;

	for (i = 0; i < 12000 * PATIENCE; i++) {
		restore_tick(duo->source);
		session_tick(&duo->source->session);
		session_tick(&duo->pager->session);
		pager_tick(duo->pager);
		p = session_get_phase(&duo->pager->session, NULL, NULL);
		s = session_get_phase(&duo->source->session, NULL, NULL);
		if ((p >= pager && s >= source) || p > GMEM_PHASE_COMPLETE)
			return p == pager && s == source;
		restart_sleep_ms(5);
	}
	return false;
}

/* From the file to a guest that runs. */
void trip_restore_to_running(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	trip_open_reader(trip);
	trip_open_pager(trip);
	trip_open_source(trip);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	CU_ASSERT_EQUAL_FATAL(duo->pager->states.n_states, 1);
	CU_ASSERT_STRING_EQUAL(duo->pager->states.states[0].name, "vcpu0.regs");
	CU_ASSERT_EQUAL(memcmp(duo->pager->states.states[0].data, STATE, sizeof(STATE)), 0);
	CU_ASSERT_EQUAL(fake_vm_touch(&duo->pager_vm, 500), 0);	/* while states are restored */
	CU_ASSERT_EQUAL_FATAL(pager_run(duo->pager), 0);
}

void trip_expect_whole(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_TRUE(trip_wait_restore(trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "COMPLETE"));
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), 0);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
}
