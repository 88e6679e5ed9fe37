// SPDX-License-Identifier: MIT
/* Clients of every bad kind: broken lines, no rights, too many, silent, deaf. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "hub_rig.h"

/* Each is refused by name, and the next line is heard. */
static void test_bad_lines(void)
{
	struct ctl_socket *socket;

	rig_begin();
	socket = rig_enter(rig_control_path);
	rig_type(socket, "hello\n");
	rig_expect_error(socket, "bad_request");
	rig_type(socket, "\n");
	rig_expect_error(socket, "bad_request");
	rig_type_len(socket, "{\"verb\":\"sta\0us\"}\n", 18);
	rig_expect_error(socket, "bad_request");
	rig_type(socket, "{\"verb\":\"thaw\"}\n");
	rig_expect_error(socket, "unknown_verb");
	rig_type(socket, "{\"verb\":\"pause\"}\n");
	rig_expect_error(socket, "bad_request");
	rig_type(socket, "{\"verb\":\"pause\",\"session\":\"abcdef02\"}\n");
	rig_expect_error(socket, "wrong_session");
	rig_type(socket, "{\"verb\":\"pause\",\"session\":\"" TICKET "\"}\n" "{\"verb\":\"sta");
	CU_ASSERT_EQUAL(rig_await_order().ask.verb, ASK_PAUSE);
	hub_done(rig_hub, HUB_DONE, NULL);
	rig_expect_ok(socket, "pause");
	rig_type(socket, "tus\"}\n");
	rig_expect_ok(socket, "status");
	rig_leave(socket);
	rig_end();
}

static void test_a_line_that_is_too_long(void)
{
	static char text[ASK_LINE_MAX + 2];
	struct ctl_socket *socket;

	rig_begin();
	memset(text, ' ', sizeof(text));
	socket = rig_enter(rig_status_path);
	rig_type_len(socket, text, ASK_LINE_MAX - 17);
	rig_type(socket, STATUS);			/* 4096 bytes and a newline */
	rig_expect_ok(socket, "status");
	rig_type_len(socket, text, ASK_LINE_MAX + 1);
	rig_expect_error(socket, "too_long");
	rig_expect_closed(socket);
	rig_leave(socket);
	rig_end();
}

static void test_who_may_only_look(void)
{
	static const char *const lines[] = {
		PAUSE, "{\"verb\":\"resume\",\"session\":\"abcdef01\"}\n",
		"{\"verb\":\"limit\",\"session\":\"abcdef01\",\"bytes_per_s\":0}\n",
		"{\"verb\":\"abort\",\"session\":\"abcdef01\",\"reason\":\"x\"}\n",
		"{\"verb\":\"abandon\",\"session\":\"abcdef01\",\"reason\":\"x\"}\n",
	};
	struct hub_order order;
	struct ctl_socket *socket;
	size_t i;

	rig_begin();
	socket = rig_enter(rig_status_path);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		rig_type(socket, lines[i]);
		rig_expect_error(socket, "not_permitted");
	}
	CU_ASSERT_FALSE(hub_take(rig_hub, &order));
	rig_type(socket, STATUS);
	rig_expect_ok(socket, "status");
	rig_type(socket, "{\"verb\":\"metrics\"}\n");
	rig_expect_ok(socket, "metrics");
	rig_type(socket, "{\"verb\":\"wait\",\"until\":\"running\"}\n");
	rig_expect_ok(socket, "wait");
	rig_leave(socket);
	rig_end();
}

/* Another user cannot even connect to the mutating one. */
static void test_another_user(void)
{
	int status = 0;
	pid_t pid;

	if (getuid() != 0) {
		printf("skipped: only root can be another user; ");
		CU_PASS("not root");
		return;
	}
	rig_begin();
	chmod(rig_dir, 0755);
	pid = fork();
	if (pid == 0) {
		static struct ctl_socket socket;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		_exit(ctl_socket_open(&socket, rig_control_path) == -EACCES &&
		      ctl_socket_open(&socket, rig_status_path) == -EACCES ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* nor is heard, were the file's mode another one */
	chmod(rig_control_path, 0666);
	pid = fork();
	if (pid == 0) {
		static struct ctl_socket socket;
		struct json_object *object = NULL;

		if (setgid(65534) < 0 || setuid(65534) < 0 || ctl_socket_open(&socket, rig_control_path) < 0 ||
		    ctl_socket_answer(&socket, PATIENCE_MS, &object) < 0)
			_exit(1);
		_exit(strcmp(json_object_get_string(json_object_object_get(object, "error")), "not_permitted") == 0 ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	rig_end();
}

static void test_too_many_clients(void)
{
	struct ctl_socket *viewers[HUB_MAX_VIEWING], *extra, *operator;
	size_t i;

	rig_begin();
	for (i = 0; i < HUB_MAX_VIEWING; i++) {
		viewers[i] = rig_enter(rig_status_path);
		rig_type(viewers[i], STATUS);
		rig_expect_ok(viewers[i], "status");
	}
	extra = rig_enter(rig_status_path);
	rig_expect_error(extra, "busy");
	rig_expect_closed(extra);
	rig_leave(extra);
	/* who may change something has places of his own */
	operator = rig_enter(rig_control_path);
	rig_type(operator, PAUSE);
	CU_ASSERT_EQUAL(rig_await_order().ask.verb, ASK_PAUSE);
	hub_done(rig_hub, HUB_DONE, NULL);
	rig_expect_ok(operator, "pause");
	rig_leave(operator);
	/* and one that goes leaves its place */
	rig_leave(viewers[3]);
	do {
		extra = rig_enter(rig_status_path);
		if (send(extra->fd, STATUS, strlen(STATUS), MSG_NOSIGNAL) > 0) {
			struct json_object *object = NULL;

			i = ctl_socket_answer(extra, PATIENCE_MS, &object) == 0 &&
			    json_object_get_boolean(json_object_object_get(object, "ok"));
			json_object_put(object);
		} else {
			i = 0;
		}
		rig_leave(extra);
	} while (i == 0);
	for (i = 0; i < HUB_MAX_VIEWING; i++)
		if (i != 3)
			rig_leave(viewers[i]);
	rig_end();
}

/* Sixteen that ask and never read: the operator is answered at once, and the owner never waits. */
static void test_who_never_reads(void)
{
	struct ctl_socket *viewers[HUB_MAX_VIEWING], *operator;
	size_t i;
	int k;

	rig_begin();
	for (i = 0; i < HUB_MAX_VIEWING; i++) {
		viewers[i] = rig_enter(rig_status_path);
		for (k = 0; k < 2000; k++)	/* until both buffers are full */
			if (send(viewers[i]->fd, STATUS, strlen(STATUS), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
	}
	operator = rig_enter(rig_control_path);
	for (k = 0; k < 20; k++) {
		rig_publish(GMEM_PHASE_RUNNING);
		rig_type(operator, PAUSE);
		CU_ASSERT_EQUAL(rig_await_order().ask.verb, ASK_PAUSE);
		hub_done(rig_hub, HUB_DONE, NULL);
		rig_expect_ok(operator, "pause");
	}
	rig_leave(operator);
	for (i = 0; i < HUB_MAX_VIEWING; i++)
		rig_leave(viewers[i]);
	rig_end();
}

static void test_places_are_taken_back(void)
{
	struct ctl_socket *silent, *half, *deaf, *waiting;
	int k;

	rig_begin_with(300, 300);
	silent = rig_enter(rig_status_path);
	half = rig_enter(rig_status_path);
	rig_type(half, "{\"verb\":");
	deaf = rig_enter(rig_status_path);
	for (k = 0; k < 20000; k++)
		if (send(deaf->fd, STATUS, strlen(STATUS), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	waiting = rig_enter(rig_status_path);
	rig_type(waiting, "{\"verb\":\"wait\"}\n");		/* is no idler */
	rig_expect_closed(silent);
	rig_expect_closed(half);
	while (hub_has_callers(rig_hub) && send(deaf->fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
		usleep(1000);
	while (send(deaf->fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN)
		usleep(1000);
	CU_ASSERT_EQUAL(errno, EPIPE);
	rig_publish(GMEM_PHASE_COMPLETE);
	rig_expect_ok(waiting, "wait");
	rig_leave(silent);
	rig_leave(half);
	rig_leave(deaf);
	rig_leave(waiting);
	rig_end();
}

/* As "echo ... | nc -U" does: says one thing, ends its side, reads. */
static void test_half_closed(void)
{
	struct ctl_socket *socket;

	rig_begin();
	socket = rig_enter(rig_status_path);
	rig_type(socket, STATUS "{\"verb\":\"metrics\"}\n" "half");
	shutdown(socket->fd, SHUT_WR);
	rig_expect_ok(socket, "status");
	rig_expect_ok(socket, "metrics");
	rig_expect_closed(socket);
	rig_leave(socket);
	rig_end();
}

static const struct check checks[] = {
	{ "bad lines", test_bad_lines },
	{ "a line that is too long", test_a_line_that_is_too_long },
	{ "who may only look", test_who_may_only_look },
	{ "another user", test_another_user },
	{ "too many clients", test_too_many_clients },
	{ "who never reads", test_who_never_reads },
	{ "places are taken back", test_places_are_taken_back },
	{ "half closed", test_half_closed },
	{ NULL, NULL },
};

CHECK_MAIN("clients of the control sockets", checks)
