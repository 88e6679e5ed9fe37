// SPDX-License-Identifier: MIT
/* The thread behind the control sockets: orders, waiting, reports, the last word. */
#include <errno.h>
#include <unistd.h>

#include "check.h"
#include "hub_rig.h"

static void test_no_paths(void)
{
	const struct hub_config none = { .status_group = "root" };
	char error[HUB_ERROR_LEN];
	struct hub *no_hub = (struct hub *)&none;

	CU_ASSERT_EQUAL(hub_open(&none, &no_hub, error), 0);
	CU_ASSERT_PTR_NULL(no_hub);
	hub_free(NULL);
}

static void test_paths_that_do_not_work(void)
{
	struct hub_config config = { .control_path = "/nonexistent/control" };
	char error[HUB_ERROR_LEN] = "";
	struct hub *second;

	CU_ASSERT_EQUAL(hub_open(&config, &second, error), -ENOENT);
	CHECK_CONTAINS(error, "cannot listen on /nonexistent/control");
	config = (struct hub_config){ .status_path = "/tmp/x", .status_group = "no-such-group-here" };
	CU_ASSERT_EQUAL(hub_open(&config, &second, error), -ENOENT);
	CHECK_CONTAINS(error, "there is no group no-such-group-here");
	rig_begin();
	config = (struct hub_config){ .control_path = rig_control_path };
	CU_ASSERT_EQUAL(hub_open(&config, &second, error), -EADDRINUSE);
	CHECK_CONTAINS(error, "another process does");
	CU_ASSERT_EQUAL(access(rig_control_path, F_OK), 0);
	rig_end();
}

/* An order whose client has gone is done all the same, and the next one's answer is its own. */
static void test_a_client_goes_while_its_order_runs(void)
{
	struct ctl_socket *first, *second;
	struct hub_order order;

	rig_begin();
	first = rig_enter(rig_control_path);
	rig_type(first, PAUSE);
	order = rig_await_order();
	CU_ASSERT_EQUAL(order.uid, getuid());
	CU_ASSERT_EQUAL(order.pid, getpid());
	rig_leave(first);
	second = rig_enter(rig_control_path);
	rig_type(second, "{\"verb\":\"resume\",\"session\":\"abcdef01\"}\n");
	rig_await_heard(second);
	CU_ASSERT_FALSE(hub_take(rig_hub, &order));		/* one at a time */
	hub_done(rig_hub, HUB_REFUSED, "of the first");
	CU_ASSERT_EQUAL(rig_await_order().ask.verb, ASK_RESUME);
	hub_done(rig_hub, HUB_DONE, NULL);
	rig_expect_ok(second, "resume");
	rig_leave(second);
	rig_end();
}

/* While the owner is busy, who changes something gets before who wants a map. */
static void test_the_operator_comes_first(void)
{
	struct ctl_socket *viewers[3], *operator;
	size_t i;

	rig_begin();
	for (i = 0; i < 3; i++)
		viewers[i] = rig_enter(rig_status_path);
	rig_type(viewers[0], "{\"verb\":\"status\",\"map\":4}\n");
	CU_ASSERT_EQUAL(rig_await_order().ask.map_cells, 4);
	rig_type(viewers[1], "{\"verb\":\"status\",\"map\":5}\n");
	rig_type(viewers[2], "{\"verb\":\"subscribe\",\"map\":6}\n");
	operator = rig_enter(rig_control_path);
	rig_type(operator, PAUSE);
	rig_await_heard(viewers[1]);
	rig_await_heard(viewers[2]);
	rig_await_heard(operator);
	hub_done(rig_hub, HUB_DONE, NULL);
	CU_ASSERT_EQUAL(rig_await_order().ask.verb, ASK_PAUSE);
	hub_done(rig_hub, HUB_DONE, NULL);
	rig_expect_ok(operator, "pause");
	for (i = 0; i < 2; i++) {
		CU_ASSERT_FALSE(ask_changes(rig_await_order().ask.verb));
		hub_done(rig_hub, HUB_DONE, NULL);
	}
	rig_expect_ok(viewers[0], "status");
	rig_expect_ok(viewers[1], "status");
	rig_expect_ok(viewers[2], "subscribe");
	for (i = 0; i < 3; i++)
		rig_leave(viewers[i]);
	rig_leave(operator);
	rig_end();
}

/* The map that the owner made for one client, though it has published a snapshot without one since. */
static void test_whose_map_it_is(void)
{
	struct ctl_socket *with, *without;
	struct json_object *object, *map;

	rig_begin();
	with = rig_enter(rig_status_path);
	without = rig_enter(rig_status_path);
	rig_type(with, "{\"verb\":\"status\",\"map\":3}\n");
	rig_await_order();
	rig_snapshot.n_cells = 3;
	rig_snapshot.cells[1] = 55;
	rig_publish(GMEM_PHASE_RUNNING);
	rig_snapshot.n_cells = 0;
	hub_done(rig_hub, HUB_DONE, NULL);
	rig_publish(GMEM_PHASE_RUNNING);
	object = rig_answer(with);
	map = json_object_object_get(json_object_object_get(object, "status"), "map");
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(map), 3);
	CU_ASSERT_EQUAL(json_object_get_int(json_object_array_get_idx(map, 1)), 55);
	json_object_put(object);
	rig_type(without, STATUS);
	object = rig_answer(without);
	CU_ASSERT_PTR_NULL(json_object_object_get(json_object_object_get(object, "status"), "map"));
	json_object_put(object);
	rig_leave(with);
	rig_leave(without);
	rig_end();
}

static void test_how_orders_end(void)
{
	static const struct {
		enum hub_result result;
		const char *error;
	} ends[] = {
		{ HUB_NOT_HERE, "not_here" }, { HUB_REFUSED, "refused" }, { HUB_ENDED, "ended" }, { HUB_RECORD, "record" },
	};
	struct ctl_socket *socket;
	size_t i;

	rig_begin();
	socket = rig_enter(rig_control_path);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		rig_type(socket, PAUSE);
		rig_await_order();
		hub_done(rig_hub, ends[i].result, "because");
		rig_expect_error(socket, ends[i].error);
	}
	rig_leave(socket);
	rig_end();
}

static void test_wait(void)
{
	struct ctl_socket *running, *complete, *whatever, *hurried;

	rig_begin();
	rig_publish(GMEM_PHASE_ACCEPTED);
	running = rig_enter(rig_status_path);
	complete = rig_enter(rig_status_path);
	whatever = rig_enter(rig_status_path);
	hurried = rig_enter(rig_status_path);
	rig_type(running, "{\"verb\":\"wait\",\"until\":\"running\"}\n");
	rig_type(complete, "{\"verb\":\"wait\"}\n");
	rig_type(whatever, "{\"verb\":\"wait\",\"until\":\"end\"}\n");
	rig_type(hurried, "{\"verb\":\"wait\",\"timeout_ms\":1}\n");
	rig_expect_error(hurried, "timeout");
	rig_publish(GMEM_PHASE_RUNNING);
	rig_expect_ok(running, "wait");
	rig_publish(GMEM_PHASE_FAILED);
	rig_expect_error(complete, "ended");
	rig_expect_ok(whatever, "wait");
	rig_type(running, "{\"verb\":\"wait\",\"until\":\"accepted\"}\n");		/* it never will be again */
	rig_expect_error(running, "ended");
	rig_publish(GMEM_PHASE_COMPLETE);
	rig_type(complete, "{\"verb\":\"wait\",\"until\":\"started\"}\n");
	rig_expect_ok(complete, "wait");
	rig_leave(running);
	rig_leave(complete);
	rig_leave(whatever);
	rig_leave(hurried);
	rig_end();
}

static void test_subscribe(void)
{
	struct ctl_socket *socket;
	struct json_object *object;
	int i;

	rig_begin();
	socket = rig_enter(rig_status_path);
	rig_type(socket, "{\"verb\":\"subscribe\",\"interval_ms\":200}\n" STATUS);
	for (i = 0; i < 3; i++) {
		rig_snapshot.progress.pages_total = (uint64_t)i;
		object = rig_answer(socket);
		CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(object, "verb")), "subscribe");
		json_object_put(object);
	}
	rig_leave(socket);
	while (hub_has_callers(rig_hub))	/* its place is free again */
		usleep(1000);
	rig_end();
}

/* What a process says last is heard by who waits for it. */
static void test_the_last_word(void)
{
	struct ctl_socket *waiting, *silent;

	rig_begin();
	waiting = rig_enter(rig_status_path);
	silent = rig_enter(rig_control_path);
	rig_type(waiting, "{\"verb\":\"wait\"}\n");
	rig_await_heard(waiting);
	rig_publish(GMEM_PHASE_COMPLETE);
	hub_stop(rig_hub);
	rig_expect_ok(waiting, "wait");
	rig_expect_closed(waiting);
	rig_expect_closed(silent);
	rig_leave(waiting);
	rig_leave(silent);
	rig_end();
}

static const struct check checks[] = {
	{ "no paths", test_no_paths },
	{ "paths that do not work", test_paths_that_do_not_work },
	{ "a client goes while its order runs", test_a_client_goes_while_its_order_runs },
	{ "the operator comes first", test_the_operator_comes_first },
	{ "whose map it is", test_whose_map_it_is },
	{ "how orders end", test_how_orders_end },
	{ "wait", test_wait },
	{ "subscribe", test_subscribe },
	{ "the last word", test_the_last_word },
	{ NULL, NULL },
};

CHECK_MAIN("the control sockets", checks)
