/* SPDX-License-Identifier: MIT */
/*
 * No key seals twice with one nonce, whatever dies when.  Two processes with the
 * same static keys, ticket and VM shake hands and seal on all lanes, with keys
 * that change after a few records and sends that are given up; one is killed at
 * some moment, and both start again, 200 times.  This program is built with
 * -DATTEST_LOG_NONCES: each sealing is in the log before it happens, and what
 * was written to the log survives the process.
 */
#include "check.h"
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <attest/channel.h>
#include <attest/noncelog.h>

#define N_ROUNDS 200u
#define MAX_LIFE 80u		/* sealings of both, until one is killed */
#define MAX_WAIT 100000u	/* times 100 us */
#define MAX_BODY 400u

/* What a process says when it is not killed. */
enum { EXIT_PEER_GONE = 10, EXIT_HANDSHAKE = 11, EXIT_NOT_OPENED = 12, EXIT_NOT_SEALED = 13 };

struct entry {
	uint8_t key_id[32];
	uint8_t nonce[12];
};

static int log_fd = -1;
static struct pair pair;

void noncelog_write(const uint8_t key_id[32], const uint8_t *nonce, size_t nonce_len)
{
	struct entry entry = { 0 };

	if (nonce_len != sizeof(entry.nonce))
		abort();
	memcpy(entry.key_id, key_id, sizeof(entry.key_id));
	memcpy(entry.nonce, nonce, sizeof(entry.nonce));
	/* O_APPEND: whole entries, also of two processes at once */
	if (log_fd >= 0 && write(log_fd, &entry, sizeof(entry)) != sizeof(entry))
		abort();
}

/* ---- one process ---- */

struct process {
	int side;
	int lanes[ATTEST_N_LANES];	/* SOCK_SEQPACKET: one message is one record */
	bool given_up[ATTEST_N_LANES];	/* a send was: nothing may follow it there, but sealing goes on */
	struct attest_channel *channel;
};

static void shake_hands(struct process *process)
{
	static uint8_t message[ATTEST_HANDSHAKE_MAX];
	struct attest_handshake *handshake = pair.side[process->side];
	size_t len;

	for (;;) {
		ssize_t n;

		switch (attest_handshake_step(handshake)) {
		case ATTEST_STEP_SEND:
			if (attest_handshake_write(handshake, message, &len))
				_exit(EXIT_HANDSHAKE);
			if (send(process->lanes[0], message, len, MSG_NOSIGNAL) != (ssize_t)len)
				_exit(EXIT_PEER_GONE);
			break;
		case ATTEST_STEP_RECV:
			n = recv(process->lanes[0], message, sizeof(message), 0);
			if (n <= 0)
				_exit(EXIT_PEER_GONE);
			if (attest_handshake_read(handshake, message, (size_t)n))
				_exit(EXIT_HANDSHAKE);
			break;
		default:
			if (attest_handshake_finish(handshake, &process->channel))
				_exit(EXIT_HANDSHAKE);
			return;
		}
	}
}

static void send_one(struct process *process, enum attest_lane lane)
{
	static const enum attest_op ops[] = { ATTEST_OP_STATE, ATTEST_OP_REQUEST, ATTEST_OP_CREDIT };
	struct attest_record record = { .op = ops[lane], .body_len = randombytes_uniform(MAX_BODY) };
	uint8_t body[MAX_BODY] = { 0 }, wire[1024];
	size_t len;

	if (!attest_record_seal(process->channel, lane, &record, body, wire, &len))
		_exit(EXIT_NOT_SEALED);
	/* given up now and then for no reason, and when there is no room */
	if (process->given_up[lane] || randombytes_uniform(60) == 0) {
		process->given_up[lane] = true;
	} else if (send(process->lanes[lane], wire, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len) {
		if (errno != EAGAIN)
			_exit(EXIT_PEER_GONE);
		process->given_up[lane] = true;
	}
}

static void take_all(struct process *process, enum attest_lane lane)
{
	uint8_t wire[1024], body[1024];
	struct attest_record record;
	ssize_t n;

	while ((n = recv(process->lanes[lane], wire, sizeof(wire), MSG_DONTWAIT)) > 0)
		if (!attest_record_open(process->channel, lane, wire, (size_t)n, &record, body))
			_exit(EXIT_NOT_OPENED);
	if (n == 0)
		_exit(EXIT_PEER_GONE);
}

static void run_process(struct process *process)
{
	const struct timespec pause = { .tv_nsec = 20000 };

	shake_hands(process);
	process->channel->limits.rekey_records = 9;
	for (uint64_t i = 1;; i++) {
		attest_channel_tick(process->channel, i * 5 * UINT64_C(1000000000));
		for (unsigned int lane = 0; lane < ATTEST_N_LANES; lane++) {
			take_all(process, lane);
			if (randombytes_uniform(2))
				send_one(process, lane);
		}
		nanosleep(&pause, NULL);
	}
}

static pid_t start_process(int side, int (*sockets)[2])
{
	struct process process = { .side = side };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int lane = 0; lane < ATTEST_N_LANES; lane++) {
		process.lanes[lane] = sockets[lane][side];
		close(sockets[lane][!side]);
	}
	run_process(&process);
	_exit(0);
}

/* ---- one round ---- */

static bool ended_well(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == EXIT_PEER_GONE;
}

/* Until @n more sealings are in the log: how long that takes is the machine's business. */
static void wait_for_sealings(size_t n)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	struct stat before, now;

	if (fstat(log_fd, &before))
		abort();
	for (unsigned int i = 0; i < MAX_WAIT; i++) {
		if (fstat(log_fd, &now))
			abort();
		if ((size_t)(now.st_size - before.st_size) >= n * sizeof(struct entry))
			return;
		nanosleep(&pause, NULL);
	}
}

/* Both start, one is killed, at times both. */
static bool run_round(unsigned int round)
{
	int sockets[ATTEST_N_LANES][2], status[2];
	int victim = randombytes_uniform(2);
	pid_t pids[2];
	bool ok;

	for (int lane = 0; lane < ATTEST_N_LANES; lane++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets[lane]))
			abort();
	/* the number of a connection may come again: keys must not */
	pair.config[0].connection = pair.config[1].connection = 1 + round / 3;
	pair_start(&pair);
	for (int side = 0; side < 2; side++)
		pids[side] = start_process(side, sockets);
	for (int lane = 0; lane < ATTEST_N_LANES; lane++) {
		close(sockets[lane][0]);
		close(sockets[lane][1]);
	}
	wait_for_sealings(randombytes_uniform(MAX_LIFE));
	kill(pids[victim], SIGKILL);
	if (round % 4 == 0)
		kill(pids[!victim], SIGKILL);
	ok = waitpid(pids[0], &status[0], 0) == pids[0] && waitpid(pids[1], &status[1], 0) == pids[1] &&
	     ended_well(status[0]) && ended_well(status[1]);
	if (!ok)
		fprintf(stderr, "round %u: states %x and %x ", round, (unsigned int)status[0], (unsigned int)status[1]);
	return ok;
}

/* ---- the log ---- */

static int compare(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct entry));
}

/* Sorts; true if no two are the same. */
static bool all_distinct(struct entry *entries, size_t n, size_t *ret_n_keys)
{
	bool distinct = true;

	qsort(entries, n, sizeof(*entries), compare);
	*ret_n_keys = n != 0;
	for (size_t i = 1; i < n; i++) {
		if (!memcmp(&entries[i - 1], &entries[i], sizeof(*entries)))
			distinct = false;
		if (memcmp(entries[i - 1].key_id, entries[i].key_id, sizeof(entries[i].key_id)))
			++*ret_n_keys;
	}
	return distinct;
}

static struct entry *read_log(size_t *ret_n)
{
	struct entry *entries;
	struct stat st;

	if (fstat(log_fd, &st) || st.st_size % (off_t)sizeof(*entries))
		abort();
	/* one more, for the test of the test */
	entries = malloc((size_t)st.st_size + sizeof(*entries));
	if (!entries || pread(log_fd, entries, (size_t)st.st_size, 0) != st.st_size)
		abort();
	*ret_n = (size_t)st.st_size / sizeof(*entries);
	return entries;
}

static void no_nonce_comes_twice_over_kills_and_reconnects(void)
{
	struct entry *entries;
	size_t n, n_keys;
	FILE *file = tmpfile();

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	log_fd = dup(fileno(file));
	CU_ASSERT_EQUAL_FATAL(fcntl(log_fd, F_SETFL, O_APPEND), 0);
	pair_init(&pair, 0);
	for (unsigned int round = 0; round < N_ROUNDS; round++)
		CU_ASSERT_TRUE(run_round(round));
	pair_fini(&pair);
	entries = read_log(&n);
	CU_ASSERT_TRUE(all_distinct(entries, n, &n_keys));
	fprintf(stderr, "%zu sealings, %zu keys ", n, n_keys);
	/* Each handshake that got to its end has 4 keys of Noise in it and 6 of records. */
	CU_ASSERT_TRUE(n > 20 * N_ROUNDS);
	CU_ASSERT_TRUE(n_keys > 4 * N_ROUNDS);
	/* one that is there twice is seen */
	entries[n] = entries[n / 2];
	CU_ASSERT_FALSE(all_distinct(entries, n + 1, &n_keys));
	free(entries);
	close(log_fd);
	log_fd = -1;
	fclose(file);
}

int main(void)
{
	static const struct check checks[] = {
		{ "no nonce comes twice over 200 kills and reconnects", no_nonce_comes_twice_over_kills_and_reconnects },
		{ NULL, NULL },
	};

	return check_main("nonces", checks);
}
