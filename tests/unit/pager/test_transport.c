// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "duo.h"
#include "stats.h"
#include "transport.h"

static char address[32];
static struct transport_listener *listener;
static struct transport_conn *client, *server;

static void *accept_thread(void *arg)
{
	(void)arg;
	CU_ASSERT_EQUAL(transport_nng.accept(listener, 5000, &server), 0);
	return NULL;
}

static void open_pair(void)
{
	pthread_t thread;

	duo_choose_address(address, sizeof(address));
	CU_ASSERT_EQUAL_FATAL(transport_nng.listen(address, &listener), 0);
	pthread_create(&thread, NULL, accept_thread, NULL);
	CU_ASSERT_EQUAL_FATAL(transport_nng.dial(address, 5000, &client), 0);
	pthread_join(thread, NULL);
}

static void close_pair(void)
{
	transport_nng.free(client);
	transport_nng.free(server);
	transport_nng.free_listener(listener);
}

static void test_addresses(void)
{
	static const char *const good[] = { "127.0.0.1:1", "10.0.0.2:65535", "[::1]:7000", "[fd00::2]:7" };
	static const char *const bad[] = { "", ":7000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
		"127.0.0.1:7000x", "127.0.0.1: 7", "127.0.0.1:+7", "localhost:7000", "::1:7000", "[::1:7000", "[::1]",
		"[127.0.0.1]:7000", "127.0.0.1:123456", "tcp://127.0.0.1:7000" };
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_EQUAL(transport_check_address(good[i]), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(transport_check_address(bad[i]), -EINVAL);
}

static void *send_thread(void *arg)
{
	static uint8_t bytes[3000000];
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 11 >> 3);
	CU_ASSERT_EQUAL(client->ops->send(client, bytes, sizeof(bytes), 10000), 0);
	return NULL;
}

static void test_large_send_arrives_whole(void)
{
	static uint8_t got[3000000];
	pthread_t thread;
	size_t i;

	open_pair();
	pthread_create(&thread, NULL, send_thread, NULL);
	CU_ASSERT_EQUAL(transport_recv_all(server, got, sizeof(got), stats_now_us() + 10000000, NULL), 0);
	pthread_join(thread, NULL);
	for (i = 0; i < sizeof(got) && got[i] == (uint8_t)(i * 11 >> 3); i++)
		continue;
	CU_ASSERT_EQUAL(i, sizeof(got));
	CU_ASSERT_EQUAL(atomic_load(&client->bytes_out), sizeof(got));
	CU_ASSERT_EQUAL(atomic_load(&server->bytes_in), sizeof(got));
	close_pair();
}

static void test_time_limits(void)
{
	atomic_bool stop = true;
	uint8_t byte;
	size_t n;

	open_pair();
	CU_ASSERT_EQUAL(server->ops->recv(server, &byte, 1, 30, &n), -ETIMEDOUT);
	CU_ASSERT_EQUAL(transport_recv_all(server, &byte, 1, stats_now_us() + 30000, NULL), -ETIMEDOUT);
	CU_ASSERT_EQUAL(transport_recv_all(server, &byte, 1, stats_now_us() + 30000000, &stop), -ECANCELED);
	CU_ASSERT_EQUAL(client->ops->send(client, "x", 1, 1000), 0);
	CU_ASSERT_EQUAL(server->ops->recv(server, &byte, 1, 1000, &n), 0);
	CU_ASSERT_EQUAL(byte, 'x');
	close_pair();
}

#define N_TRIPS 300

static void *echo_thread(void *arg)
{
	uint8_t byte;
	size_t n;
	int i;

	(void)arg;
	for (i = 0; i < N_TRIPS; i++) {
		CU_ASSERT_EQUAL(server->ops->recv(server, &byte, 1, -1, &n), 0);
		CU_ASSERT_EQUAL(server->ops->send(server, &byte, 1, 10000), 0);
	}
	return NULL;
}

static long switches(void)
{
	struct rusage usage;

	CU_ASSERT_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_nvcsw;
}

/* Each end waits in its own thread: a round trip is two waits, and four or more if threads of nng are in between. */
static void test_no_thread_in_between(void)
{
	pthread_t thread;
	uint8_t byte = 0;
	long before;
	size_t n;
	int i;

	open_pair();
	pthread_create(&thread, NULL, echo_thread, NULL);
	before = switches();
	for (i = 0; i < N_TRIPS; i++) {
		CU_ASSERT_EQUAL(client->ops->send(client, &byte, 1, 10000), 0);
		CU_ASSERT_EQUAL(client->ops->recv(client, &byte, 1, 10000, &n), 0);
	}
	CU_ASSERT_TRUE(switches() - before < 3 * N_TRIPS);
	pthread_join(thread, NULL);
	close_pair();
}

static void *shutdown_thread(void *arg)
{
	usleep(50000);
	transport_nng.shutdown(arg);
	return NULL;
}

static void test_shutdown_ends_waiting(void)
{
	pthread_t thread;
	uint8_t byte;
	size_t n;
	int i;

	for (i = 0; i < 50; i++) {
		open_pair();
		if (i == 0) {
			pthread_create(&thread, NULL, shutdown_thread, server);
			CU_ASSERT_TRUE(server->ops->recv(server, &byte, 1, -1, &n) < 0);
			pthread_join(thread, NULL);
		} else {
			/* What begins after it must end at once too. */
			transport_nng.shutdown(server);
			CU_ASSERT_TRUE(server->ops->recv(server, &byte, 1, -1, &n) < 0);
			CU_ASSERT_TRUE(server->ops->send(server, &byte, 1, -1) < 0);
		}
		CU_ASSERT_EQUAL(client->ops->recv(client, &byte, 1, 5000, &n), -ECONNRESET);
		close_pair();
	}
}

static void test_nobody_there(void)
{
	struct transport_conn *conn = NULL;

	duo_choose_address(address, sizeof(address));
	CU_ASSERT_EQUAL(transport_nng.dial(address, 2000, &conn), -ECONNREFUSED);
	CU_ASSERT_PTR_NULL(conn);
	CU_ASSERT_EQUAL_FATAL(transport_nng.listen(address, &listener), 0);
	CU_ASSERT_EQUAL(transport_nng.accept(listener, 30, &conn), -ETIMEDOUT);
	transport_nng.free_listener(listener);
}

static const struct check checks[] = {
	{ "addresses", test_addresses },
	{ "a large send arrives whole", test_large_send_arrives_whole },
	{ "time limits", test_time_limits },
	{ "shutdown ends waiting", test_shutdown_ends_waiting },
	{ "no thread in between", test_no_thread_in_between },
	{ "nobody there", test_nobody_there },
	{ NULL, NULL },
};

CHECK_MAIN("transport", checks)
