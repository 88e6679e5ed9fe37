// SPDX-License-Identifier: MIT
/*
 * A move over many connections, with processes killed between, seals under no key twice with one
 * nonce.  the files of attest/ that seal are built with -DATTEST_LOG_NONCES here: they say which key and
 * nonce are used before each sealing.
 */
#include <stdlib.h>
#include <time.h>

#include <attest/noncelog.h>

#include "check.h"
#include "duo.h"

#define N_PRIVATE 2048u
#define N_ROUNDS 24u
#define MAX_ENTRIES (1u << 20)

struct entry {
	uint8_t key_id[32];
	uint8_t nonce[12];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static size_t n_entries;

void noncelog_write(const uint8_t key_id[32], const uint8_t *nonce, size_t nonce_len)
{
	pthread_mutex_lock(&lock);
	if (nonce_len != sizeof(entries->nonce) || n_entries == MAX_ENTRIES)
		abort();
	memcpy(entries[n_entries].key_id, key_id, sizeof(entries->key_id));
	memcpy(entries[n_entries].nonce, nonce, nonce_len);
	n_entries++;
	pthread_mutex_unlock(&lock);
}

static int compare(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct entry));
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static bool is_up(struct session *session, unsigned int n_resumed)
{
	struct gmem_progress progress;
	int i;

	for (i = 0; i < 4000 * PATIENCE; i++) {
		session_progress(session, &progress);
		if (progress.n_resumed >= n_resumed && progress.link == GMEM_LINK_UP)
			return true;
		sleep_ms(5);
	}
	return false;
}

static void restart_pager(struct duo *duo)
{
	pager_stop(duo->pager);
	pager_free(duo->pager);
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
	duo->pager->session.again = true;
	CU_ASSERT_EQUAL_FATAL(pager_attach(duo->pager, fake_vm_session(&duo->pager_vm), duo->pager_regions,
					   duo->n_regions, duo->error, sizeof(duo->error)), 0);
}

static void restart_source(struct duo *duo)
{
	source_stop(duo->source);
	source_free(duo->source);
	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
	duo->source->session.again = true;
	CU_ASSERT_EQUAL_FATAL(source_attach(duo->source, fake_vm_session(&duo->source_vm), duo->source_regions,
					    duo->n_regions, duo->error, sizeof(duo->error)), 0);
}

static void cut(struct session *session)
{
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
}

static void check_entries(uint64_t n_connections)
{
	size_t i, n_keys = 1, n_same = 0;

	qsort(entries, n_entries, sizeof(*entries), compare);
	for (i = 1; i < n_entries; i++) {
		n_same += compare(&entries[i], &entries[i - 1]) == 0;
		n_keys += memcmp(entries[i].key_id, entries[i - 1].key_id, sizeof(entries->key_id)) != 0;
	}
	CU_ASSERT_EQUAL(n_same, 0);
	/* Each connection has keys of its own: two of its handshake, and of three lanes both ways at least the BINDs'. */
	CU_ASSERT_TRUE(n_keys >= 8 * n_connections);
	printf("%zu sealings, %zu keys, %llu connections ", n_entries, n_keys, (unsigned long long)n_connections);
}

static void test_nonces(void)
{
	struct duo duo;
	uint64_t n_connections;
	unsigned int i;

	entries = calloc(MAX_ENTRIES, sizeof(*entries));
	duo_init(&duo, N_PRIVATE, 0);
	duo.source_config.resume_ms = duo.pager_config.resume_ms = 20000 * PATIENCE;
	(void)fake_vm_session(&duo.pager_vm);		/* the VMM's own */
	duo.source_config.background_limit = 16 * LIMIT_MIN;	/* two minutes, if nobody asked for pages */
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	for (i = 0; i < N_ROUNDS; i++) {
		unsigned int before;

		pthread_mutex_lock(&duo.pager->session.lock);
		before = duo.pager->session.health.n_resumed;
		pthread_mutex_unlock(&duo.pager->session.lock);
		if (i % 3 == 0)
			cut(&duo.source->session);
		else if (i % 3 == 1)
			restart_source(&duo);
		else
			restart_pager(&duo);
		CU_ASSERT_TRUE_FATAL(is_up(&duo.pager->session, i % 3 == 2 ? 1 : before + 1));
		sleep_ms(20);
	}
	CU_ASSERT_EQUAL(duo_let_stream_go(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	CU_ASSERT_EQUAL(duo.pager_vm.n_rewritten, 0);
	n_connections = ledger_next_connection(duo.pager->session.ledger) - 1;
	CU_ASSERT_TRUE(n_connections > N_ROUNDS);
	duo_fini(&duo);
	check_entries(n_connections);
	free(entries);
}

static const struct check checks[] = {
	{ "no key seals twice with one nonce, over 24 losses", test_nonces },
	{ NULL, NULL },
};

CHECK_MAIN("nonces of a move", checks)
