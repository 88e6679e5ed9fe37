// SPDX-License-Identifier: MIT
/*
 * Whose machine a session began with.  The ticket here names none (--any-platform), and the policy believes two: the
 * first connection decides between them, and the session goes on with no other.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <attest/attestor.h>
#include <attest/platform.h>
#include <attest/session/record_file.h>

#include "check.h"
#include "duo.h"

#define N_PRIVATE 512u

enum { SOURCE, DESTINATION, OTHER, N_MACHINES };

/* One of the sides: its keys stay, its machine does not. */
struct side {
	struct attestor at_home, elsewhere;
	atomic_bool has_moved;
};

struct machines {
	struct signkey *key[N_MACHINES];
	struct attest_policy policy;
	struct trust trust;
	struct side side[2];		/* SOURCE, DESTINATION */
};

static int provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	struct side *side = opaque;

	return attestor_ops.provide(atomic_load(&side->has_moved) ? &side->elsewhere : &side->at_home, binding,
				    ret_evidence, len);
}

static int verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		  char *ret_reason, size_t reason_len)
{
	struct side *side = opaque;

	return attestor_ops.verify(&side->at_home, binding, evidence, len, ret_reason, reason_len);
}

static int platform(void *opaque, const uint8_t *evidence, size_t len, uint8_t ret_platform[ATTEST_ID_LEN])
{
	struct side *side = opaque;

	return attestor_ops.platform(&side->at_home, evidence, len, ret_platform);
}

static const struct attest_evidence_ops moving_ops = {
	.name = "moving", .provide = provide, .verify = verify, .platform = platform,
};

static int64_t fixed_now(void)
{
	return INT64_C(1800000000);
}

static void machines_init(struct machines *machines, struct duo *duo)
{
	struct session_config *configs[] = { &duo->source_config, &duo->pager_config };
	int i;

	memset(machines, 0, sizeof(*machines));
	policy_init(&machines->policy);
	machines->policy.kinds = 1u << BUNDLE_SOFTWARE;
	machines->policy.software.allow = true;
	for (i = 0; i < N_MACHINES; i++) {
		CU_ASSERT_EQUAL_FATAL(signkey_generate(&machines->key[i]), 0);
		memcpy(machines->policy.software.keys[i], signkey_public(machines->key[i]), SIGNKEY_LEN);
	}
	machines->policy.software.n_keys = N_MACHINES;
	for (i = 0; i < 2; i++) {
		machines->side[i].at_home = (struct attestor){
			.kind = ATTESTOR_SOFTWARE, .software_key = machines->key[i], .policy = &machines->policy,
			.trust = &machines->trust, .peer_key = configs[i]->peer_key, .now_s = fixed_now,
		};
		machines->side[i].elsewhere = machines->side[i].at_home;
		machines->side[i].elsewhere.software_key = machines->key[OTHER];
		atomic_init(&machines->side[i].has_moved, false);
		configs[i]->evidence = &moving_ops;
		configs[i]->evidence_opaque = &machines->side[i];
		configs[i]->resume_ms = 15000 * PATIENCE;
	}
}

static void machines_fini(struct machines *machines)
{
	int i;

	for (i = 0; i < N_MACHINES; i++)
		signkey_free(machines->key[i]);
	policy_fini(&machines->policy);
}

/* The durable record of that side. */
static struct attest_session_record record_of(struct duo *duo, enum attest_role role)
{
	struct attest_session_record record = { .role = role };
	int dir_fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[RECORD_FILE_NAME_LEN];

	memcpy(record.ticket_id, duo->pager_config.ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, name);
	CU_ASSERT_EQUAL(record_file_load(dir_fd, name, &record), 0);
	close(dir_fd);
	return record;
}

static bool names(struct duo *duo, enum attest_role role, const struct signkey *key)
{
	const struct attest_session_record record = record_of(duo, role);
	uint8_t id[ATTEST_ID_LEN];

	platform_id(BUNDLE_SOFTWARE, signkey_public(key), SIGNKEY_LEN, id);
	return record.has_platform && memcmp(record.platform, id, sizeof(id)) == 0;
}

/* Until the error of @session's lost connection contains @sentence, or it is back when that is NULL. */
static bool comes_to(struct session *session, const char *sentence)
{
	struct gmem_progress progress;
	bool said = false;
	int i;

	for (i = 0; i < 4000 * PATIENCE && !said; i++) {
		session_progress(session, &progress);
		pthread_mutex_lock(&session->lock);
		said = sentence != NULL ? strstr(session->health.error, sentence) != NULL :
		       progress.link == GMEM_LINK_UP && progress.n_resumed > 0;
		pthread_mutex_unlock(&session->lock);
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	return said;
}

static void cut(struct session *session)
{
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
}

/* @role: the side that is somewhere else after the cut, with the keys and the ticket of the one before. */
static void goes_on_at_the_same_machine_only(int role)
{
	struct machines machines;
	struct session *sure, *moved;
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	machines_init(&machines, &duo);
	duo_hold_stream(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_TRUE(names(&duo, ATTEST_INITIATOR, machines.key[DESTINATION]));
	CU_ASSERT_TRUE(names(&duo, ATTEST_RESPONDER, machines.key[SOURCE]));
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	sure = role == SOURCE ? &duo.pager->session : &duo.source->session;
	moved = role == SOURCE ? &duo.source->session : &duo.pager->session;

	atomic_store(&machines.side[role].has_moved, true);
	cut(moved);
	CU_ASSERT_TRUE(comes_to(sure, "another machine than the one that this session began with"));
	CU_ASSERT_TRUE(names(&duo, role == SOURCE ? ATTEST_RESPONDER : ATTEST_INITIATOR, machines.key[role]));
	CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) > 0);
	CU_ASSERT_FALSE(session_has_ended(sure));

	atomic_store(&machines.side[role].has_moved, false);
	CU_ASSERT_TRUE(comes_to(sure, NULL));
	CU_ASSERT_EQUAL(duo_let_stream_go(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	CU_ASSERT_EQUAL(duo.pager_vm.n_rewritten, 0);
	duo_fini(&duo);
	machines_fini(&machines);
}

static void test_another_source(void)
{
	goes_on_at_the_same_machine_only(SOURCE);
}

static void test_another_destination(void)
{
	goes_on_at_the_same_machine_only(DESTINATION);
}

/* A pinned key is no evidence of a machine. */
static void test_a_key_names_no_machine(void)
{
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_FALSE(record_of(&duo, ATTEST_INITIATOR).has_platform);
	CU_ASSERT_FALSE(record_of(&duo, ATTEST_RESPONDER).has_platform);
	duo_fini(&duo);
}

static const struct check checks[] = {
	{ "a session goes on with the same source's machine only", test_another_source },
	{ "a session goes on with the same destination's machine only", test_another_destination },
	{ "a pinned key names no machine", test_a_key_names_no_machine },
	{ NULL, NULL },
};

CHECK_MAIN("the peer's machine", checks)
