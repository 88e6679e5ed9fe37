// SPDX-License-Identifier: MIT
/*
 * Two services in mid-move, with their control sockets, and gmemctl: whole moves of fake VMs.  This test is the owner
 * of both and goes through their loops while it waits for an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "control/sides.h"
#include "coverage.h"
#include "ctl_socket.h"
#include "duo.h"
#include "json_schema.h"

#define N_PRIVATE 2048u
#define N_SHARED 64u
#define TURNS (20000 * PATIENCE)	/* of a millisecond and more */

struct post {		/* one side's control */
	struct hub_config config;
	struct hub *hub;
	struct desk desk;
	struct report_names names;
	char control[96], status[96];
};

struct rig {
	struct duo duo;
	struct post source, pager;
	char ticket[2 * ATTEST_ID_LEN + 1];
};

static struct rig *rig;
static char output[32768];
/* ---- the rig ---- */

static void open_post(struct post *post, const char *name, struct session *session, const struct desk_ops *ops, void *opaque)
{
	char error[HUB_ERROR_LEN];

	snprintf(post->control, sizeof(post->control), "%s/%s.control", rig->duo.dir, name);
	snprintf(post->status, sizeof(post->status), "%s/%s.status", rig->duo.dir, name);
	post->config = (struct hub_config){ .control_path = post->control, .status_path = post->status };
	post->names = (struct report_names){ .program = name, .ticket_hex = rig->ticket, .evidence = "pinned-key" };
	CU_ASSERT_EQUAL_FATAL(hub_open(&post->config, &post->hub, error), 0);
	desk_init(&post->desk, session, ops, opaque, post->hub, NULL);
	desk_tick(&post->desk);
	CU_ASSERT_EQUAL_FATAL(hub_start(post->hub, &post->names), 0);
}

static void begin(uint64_t limit)
{
	size_t i;

	rig = calloc(1, sizeof(*rig));
	duo_init(&rig->duo, N_PRIVATE, N_SHARED);
	rig->duo.source_config.resume_ms = rig->duo.pager_config.resume_ms = 15000 * PATIENCE;
	rig->duo.source_config.background_limit = limit;
	for (i = 0; i < ATTEST_ID_LEN; i++)
		snprintf(rig->ticket + 2 * i, 3, "%02x", rig->duo.pager_config.ticket_id[i]);
}

static void open_posts(void)
{
	open_post(&rig->source, "gmem-source", &rig->duo.source->session, &sides_source, rig->duo.source);
	open_post(&rig->pager, "gmem-pager", &rig->duo.pager->session, &sides_pager, rig->duo.pager);
}

static void close_post(struct post *post)
{
	desk_end(&post->desk);
	hub_stop(post->hub);
	hub_free(post->hub);
}

static void end(void)
{
	close_post(&rig->source);
	close_post(&rig->pager);
	duo_fini(&rig->duo);
	free(rig);
}

/* Once through both loops. */
static void turn(void)
{
	session_tick(&rig->duo.source->session);
	session_tick(&rig->duo.pager->session);
	pager_tick(rig->duo.pager);
	desk_tick(&rig->source.desk);
	desk_tick(&rig->pager.desk);
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static struct json_object *ask(const char *path, const char *format, ...)
{
	static struct ctl_socket socket;
	struct json_object *object, *answer = NULL;
	char line[1024];
	va_list args;
	int i, r = -ETIMEDOUT;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	object = json_tokener_parse(line);
	CU_ASSERT_EQUAL_FATAL(ctl_socket_open(&socket, path), 0);
	CU_ASSERT_EQUAL(ctl_socket_ask(&socket, object), 0);
	json_object_put(object);
	for (i = 0; i < TURNS && r == -ETIMEDOUT; i++) {
		turn();
		r = ctl_socket_answer(&socket, 0, &answer);
	}
	CU_ASSERT_EQUAL_FATAL(r, 0);
	ctl_socket_close(&socket);
	return answer;
}

static void expect_error(struct json_object *answer, const char *error)
{
	CU_ASSERT_STRING_EQUAL_FATAL(json_object_get_string(json_object_object_get(answer, "error")), error);
	json_object_put(answer);
}

static void expect_ok(struct json_object *answer)
{
	if (!json_object_get_boolean(json_object_object_get(answer, "ok")))
		fprintf(stderr, "\n    %s", json_object_to_json_string(answer));
	CU_ASSERT_TRUE(json_object_get_boolean(json_object_object_get(answer, "ok")));
	json_object_put(answer);
}

/* A number or text inside "status", by two names. */
static struct json_object *member(struct json_object *answer, const char *group, const char *name)
{
	return json_object_object_get(json_object_object_get(json_object_object_get(answer, "status"), group), name);
}

static uint64_t number(const char *path, const char *group, const char *name)
{
	struct json_object *answer = ask(path, "{\"verb\":\"status\",\"map\":1}");	/* with a map: of this moment */
	const uint64_t value = json_object_get_uint64(member(answer, group, name));

	json_object_put(answer);
	return value;
}

/* gmemctl ARGUMENTS: its exit code; what it printed is in @output. */
static int ctl(const char *format, ...)
{
	char arguments[512], command[1024];
	size_t len = 0;
	va_list args;
	ssize_t n;
	FILE *pipe;
	int status;

	va_start(args, format);
	vsnprintf(arguments, sizeof(arguments), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "%s %s 2>&1", GMEMCTL, arguments);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	fcntl(fileno(pipe), F_SETFL, O_NONBLOCK);
	do {
		turn();
		n = read(fileno(pipe), output + len, sizeof(output) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void begin_running(uint64_t limit)
{
	begin(limit);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&rig->duo), 0);
	open_posts();
	CU_ASSERT_EQUAL_FATAL(duo_start(&rig->duo), 0);
}

static void finish(void)
{
	CU_ASSERT_EQUAL(duo_wait_pager(&rig->duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(&rig->duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&rig->duo), -1);
	CU_ASSERT_EQUAL(rig->duo.pager_vm.n_rewritten, 0);
}

/* ---- tests ---- */

static void test_a_whole_move_is_seen(void)
{
	struct json_object *answer, *root = json_object_from_file(SCHEMA);
	char where[128];

	begin_running(LIMIT_MIN);
	CU_ASSERT_EQUAL(fake_vm_touch(&rig->duo.pager_vm, 2000), 0);
	answer = ask(rig->pager.status, "{\"verb\":\"status\",\"map\":8}");
	CU_ASSERT_TRUE(json_schema_fits(root, json_schema_def(root, "answer"), answer, where));
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(json_object_object_get(answer, "status"),
									     "phase")), "running");
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(json_object_object_get(answer, "status"),
									     "state")), "RUNNING");
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(json_object_object_get(answer, "status"),
									     "backend")), "kvm");
	CU_ASSERT_EQUAL(json_object_get_uint64(member(answer, "pages", "total")), N_PRIVATE + N_SHARED);
	CU_ASSERT_EQUAL(json_object_get_uint64(member(answer, "pages", "missing")) +
			json_object_get_uint64(member(answer, "pages", "present")), N_PRIVATE + N_SHARED);
	CU_ASSERT_TRUE(json_object_get_uint64(member(answer, "pages", "demand")) > 0);
	CU_ASSERT_EQUAL(json_object_get_uint64(member(answer, "faults", "answered")), 1);
	CU_ASSERT_EQUAL(json_object_get_uint64(member(answer, "faults", "waiting")), 0);
	CU_ASSERT_STRING_EQUAL(json_object_get_string(member(answer, "peer", "link")), "up");
	CU_ASSERT_PTR_NOT_NULL(member(answer, "peer", "last_heard"));
	json_object_put(answer);
	answer = ask(rig->source.status, "{\"verb\":\"status\",\"map\":8}");
	CU_ASSERT_TRUE(json_schema_fits(root, json_schema_def(root, "answer"), answer, where));
	CU_ASSERT_EQUAL(json_object_get_uint64(member(answer, "stream", "limit_bytes_per_s")), LIMIT_MIN);
	CU_ASSERT_PTR_NULL(member(answer, "pages", "present"));
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(json_object_object_get(answer, "status"),
									     "backend")), "kvm");
	json_object_put(answer);
	expect_ok(ask(rig->source.control, "{\"verb\":\"limit\",\"session\":\"%.8s\",\"bytes_per_s\":0}", rig->ticket));
	expect_ok(ask(rig->source.status, "{\"verb\":\"wait\"}"));
	expect_ok(ask(rig->pager.status, "{\"verb\":\"wait\"}"));
	CU_ASSERT_EQUAL(number(rig->pager.status, "pages", "missing"), 0);
	finish();
	json_object_put(root);
	end();
}

/* The map is the kernel's account, cell by cell. */
static void test_the_map(void)
{
	uint8_t cells[ASK_MAP_MAX];
	struct json_object *answer, *map;
	uint64_t gfn;
	uint32_t n;

	begin(LIMIT_MIN);
	CU_ASSERT_EQUAL_FATAL(duo_open(&rig->duo), 0);
	open_posts();
	CU_ASSERT_EQUAL(coverage_source(rig->duo.source, 8, cells), 0);		/* no manifest yet */
	CU_ASSERT_EQUAL(source_prepare(rig->duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&rig->duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL(duo_wait_pager(&rig->duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	n = coverage_pager(rig->duo.pager, 8, cells);
	CU_ASSERT_EQUAL(n, 8);
	CU_ASSERT_EQUAL(cells[0] + cells[1] + cells[2] + cells[3] + cells[4] + cells[5] + cells[6] + cells[7], 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&rig->duo), 0);
	expect_ok(ask(rig->pager.control, "{\"verb\":\"pause\",\"session\":\"%.8s\"}", rig->ticket));
	/* 2112 pages, 33 cells of 64: the last is the shared memory */
	for (gfn = 640; gfn < 704; gfn++)
		CU_ASSERT_EQUAL(fake_vm_touch(&rig->duo.pager_vm, gfn), 0);
	for (gfn = N_PRIVATE; gfn < N_PRIVATE + N_SHARED; gfn++)
		CU_ASSERT_EQUAL(fake_vm_touch(&rig->duo.pager_vm, gfn), 0);
	answer = ask(rig->pager.status, "{\"verb\":\"status\",\"map\":33}");
	map = json_object_object_get(json_object_object_get(answer, "status"), "map");
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(map), 33);
	CU_ASSERT_EQUAL(json_object_get_int(json_object_array_get_idx(map, 10)), 100);
	CU_ASSERT_EQUAL(json_object_get_int(json_object_array_get_idx(map, 32)), 100);
	CU_ASSERT_EQUAL(json_object_get_int(json_object_array_get_idx(map, 20)), 0);
	json_object_put(answer);
	/* what was sent, at the source */
	CU_ASSERT_EQUAL(coverage_source(rig->duo.source, 33, cells), 33);
	CU_ASSERT_EQUAL(cells[10], 100);
	CU_ASSERT_EQUAL(cells[32], 100);
	CU_ASSERT_EQUAL(cells[20], 0);
	end();
}

/* Paused, nothing comes but what is asked for; on a fresh connection, too; then it all comes. */
static void test_pause_and_resume(void)
{
	struct json_object *answer;
	uint64_t missing, before, gfn;
	int i;

	begin(0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&rig->duo), 0);
	open_posts();
	expect_ok(ask(rig->pager.control, "{\"verb\":\"pause\",\"session\":\"%s\"}", rig->ticket));
	CU_ASSERT_EQUAL_FATAL(duo_start(&rig->duo), 0);
	missing = number(rig->pager.status, "pages", "missing");
	CU_ASSERT_EQUAL(missing, N_PRIVATE + N_SHARED);
	for (gfn = 0; gfn < N_PRIVATE; gfn += 512)
		CU_ASSERT_EQUAL(fake_vm_touch(&rig->duo.pager_vm, gfn), 0);
	before = number(rig->pager.status, "pages", "missing");
	CU_ASSERT_TRUE(before < missing && before > N_PRIVATE / 2);
	answer = ask(rig->pager.status, "{\"verb\":\"status\",\"map\":1}");
	CU_ASSERT_STRING_EQUAL(json_object_get_string(member(answer, "waits", "for")), "operator");
	CU_ASSERT_TRUE(json_object_get_boolean(member(answer, "stream", "paused")));
	json_object_put(answer);
	pthread_rwlock_rdlock(&rig->duo.source->session.link_lock);
	link_shutdown(&rig->duo.source->session.link);
	pthread_rwlock_unlock(&rig->duo.source->session.link_lock);
	for (i = 0; i < TURNS && number(rig->pager.status, "peer", "resumed") == 0; i++)
		turn();
	CU_ASSERT_EQUAL(fake_vm_touch(&rig->duo.pager_vm, 300), 0);
	CU_ASSERT_EQUAL(atomic_load(&rig->duo.pager->session.stats.pages_background), 0);
	CU_ASSERT_TRUE(number(rig->pager.status, "pages", "missing") > N_PRIVATE / 2);
	expect_error(ask(rig->source.control, "{\"verb\":\"pause\",\"session\":\"%s\"}", rig->ticket), "not_here");
	expect_error(ask(rig->source.control, "{\"verb\":\"resume\",\"session\":\"%s\"}", rig->ticket), "not_here");
	expect_ok(ask(rig->pager.control, "{\"verb\":\"resume\",\"session\":\"%s\"}", rig->ticket));
	expect_ok(ask(rig->pager.status, "{\"verb\":\"wait\"}"));
	finish();
	expect_error(ask(rig->pager.control, "{\"verb\":\"pause\",\"session\":\"%s\"}", rig->ticket), "ended");
	end();
}

static void test_limit(void)
{
	begin_running(LIMIT_MIN);
	expect_error(ask(rig->pager.control, "{\"verb\":\"limit\",\"session\":\"%s\",\"bytes_per_s\":0}", rig->ticket), "not_here");
	CU_ASSERT_EQUAL(ctl("limit %.8s 8K --socket %s", rig->ticket, rig->source.control), 0);
	CHECK_CONTAINS(output, "limit: done");
	CU_ASSERT_EQUAL(limit_get(&rig->duo.source->limit), 8192);
	CU_ASSERT_EQUAL(number(rig->source.status, "stream", "limit_bytes_per_s"), 8192);
	CU_ASSERT_EQUAL(number(rig->source.status, "stream", "limited_by_uid"), getuid());
	CU_ASSERT_EQUAL(ctl("session show %.8s --role source --state-dir %s", rig->ticket, rig->duo.dir), 0);
	CHECK_CONTAINS(output, "limit       8K bytes/s");
	CU_ASSERT_EQUAL(ctl("limit %.8s 0 --socket %s", rig->ticket, rig->source.control), 0);
	CU_ASSERT_EQUAL(ctl("wait --socket %s", rig->source.status), 0);
	CHECK_CONTAINS(output, "phase complete, state RELEASED");
	finish();
	CU_ASSERT_EQUAL(ctl("limit %.8s 8K --socket %s", rig->ticket, rig->source.control), 2);
	CHECK_CONTAINS(output, "the move has ended");
	end();
}

/* The record says who and why, the other side hears it, and the guest goes on at the source. */
static void abort_by(struct post *post, const char *role, const char *other)
{
	begin(0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&rig->duo), 0);
	open_posts();
	post = post == NULL ? &rig->source : &rig->pager;
	CU_ASSERT_EQUAL(ctl("abort %.8s --reason 'rack 7 burns' --socket %s", rig->ticket, post->control), 0);
	CHECK_CONTAINS(output, "phase aborted, state ABORTED");
	CU_ASSERT_EQUAL(duo_wait_source(&rig->duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(duo_wait_pager(&rig->duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, role, "ABORTED"));
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, other, "ABORTED"));
	CU_ASSERT_EQUAL(ctl("session show %.8s --role %s --state-dir %s", rig->ticket, role, rig->duo.dir), 0);
	CHECK_CONTAINS(output, "abort by uid ");
	CHECK_CONTAINS(output, ": rack 7 burns\n");
	CU_ASSERT_EQUAL(ctl("wait --socket %s", post->status), 8);
	CHECK_CONTAINS(output, "aborted by uid ");
	CU_ASSERT_EQUAL(ctl("wait --until end --socket %s", post->status), 0);
	CU_ASSERT_EQUAL(ctl("abort %.8s --reason x --socket %s", rig->ticket, post->control), 2);
	CHECK_CONTAINS(output, "the move has ended");
	end();
}

static void test_abort_at_the_source(void)
{
	abort_by(NULL, "source", "destination");
}

static void test_abort_at_the_destination(void)
{
	static struct post any;

	abort_by(&any, "destination", "source");
}

/* START has come and the VM does not run: the disk says OFFERED, the abort brings the source its guest back. */
static void test_abort_after_start(void)
{
	begin(0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&rig->duo), 0);
	open_posts();
	CU_ASSERT_EQUAL(source_start(rig->duo.source, &rig->duo.states, rig->duo.error, sizeof(rig->duo.error)), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&rig->duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	/* not at the source: nobody here knows whether it runs */
	CU_ASSERT_EQUAL(ctl("abort %.8s --reason x --socket %s", rig->ticket, rig->source.control), 2);
	CHECK_CONTAINS(output, "not in this state");
	CU_ASSERT_TRUE(rig->duo.source_vm.frozen);
	CU_ASSERT_EQUAL(ctl("abort %.8s --reason x --socket %s", rig->ticket, rig->pager.control), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&rig->duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_FALSE(rig->duo.source_vm.frozen);
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, "source", "RESUMED"));
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, "destination", "ABORTED"));
	end();
}

static void test_no_abort_once_it_runs(void)
{
	begin_running(LIMIT_MIN);
	expect_error(ask(rig->pager.control, "{\"verb\":\"abort\",\"session\":\"%s\",\"reason\":\"x\"}", rig->ticket), "refused");
	expect_error(ask(rig->source.control, "{\"verb\":\"abort\",\"session\":\"%s\",\"reason\":\"x\"}", rig->ticket), "refused");
	expect_error(ask(rig->pager.control, "{\"verb\":\"abandon\",\"session\":\"%s\",\"reason\":\"x\"}", rig->ticket), "refused");
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, "destination", "RUNNING"));
	CU_ASSERT_EQUAL(ctl("limit %.8s 0 --socket %s", rig->ticket, rig->source.control), 0);
	finish();
	end();
}

/* The source is gone: status says so, with the last good moment and what can be done; then it is given up. */
static void test_lost_and_abandoned(void)
{
	int i;

	begin(LIMIT_MIN);
	rig->duo.pager_config.resume_ms = 300;
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&rig->duo), 0);
	open_posts();
	CU_ASSERT_EQUAL_FATAL(duo_start(&rig->duo), 0);
	source_stop(rig->duo.source);
	for (i = 0; i < TURNS && strstr(output, "peer        lost") == NULL; i++)
		CU_ASSERT_EQUAL(ctl("status --socket %s", rig->pager.status), 0);
	CHECK_CONTAINS(output, "peer        lost; last heard 20");
	CHECK_CONTAINS(output, "for the other side to come back");
	CHECK_CONTAINS(output, "advice      the guest stays stopped");
	CHECK_CONTAINS(output, "gmemctl abandon");
	CU_ASSERT_EQUAL(ctl("abandon %.8s --reason 'gone' --socket %s", rig->ticket, rig->pager.control), 0);
	CHECK_CONTAINS(output, "phase failed, state LOST");
	CU_ASSERT_TRUE(duo_ledger_says(&rig->duo, "destination", "LOST"));
	CU_ASSERT_EQUAL(ctl("status --watch --socket %s", rig->pager.status), 8);
	end();
}

static void test_watch_and_json(void)
{
	struct json_object *object;

	begin_running(0);
	finish();
	CU_ASSERT_EQUAL(ctl("status --watch --interval 0.2 --socket %s", rig->pager.status), 0);
	CHECK_CONTAINS(output, "complete 100% ");
	CU_ASSERT_PTR_NULL(strstr(output, "\033"));
	CU_ASSERT_EQUAL(ctl("status --json --socket %s", rig->pager.status), 0);
	object = json_tokener_parse(output);
	CU_ASSERT_EQUAL(json_object_get_uint64(member(object, "pages", "missing")), 0);
	json_object_put(object);
	CU_ASSERT_EQUAL(ctl("status --json --watch --socket %s", rig->pager.status), 0);
	object = json_tokener_parse(output);
	CU_ASSERT_EQUAL(json_object_array_length(json_object_object_get(json_object_object_get(object, "status"), "map")), 192);
	json_object_put(object);
	CU_ASSERT_EQUAL(ctl("metrics --socket %s", rig->source.status), 0);
	CHECK_CONTAINS(output, "phase=\"complete\"} 1\n");
	end();
}

static void test_bad_use(void)
{
	begin(0);
	CU_ASSERT_EQUAL_FATAL(duo_open(&rig->duo), 0);
	open_posts();
	CU_ASSERT_EQUAL(ctl("status"), 1);
	CHECK_CONTAINS(output, "--socket PATH is needed");
	CU_ASSERT_EQUAL(ctl("status x --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("pause --socket %s", rig->pager.control), 1);
	CU_ASSERT_EQUAL(ctl("limit 12345678 --socket %s", rig->pager.control), 1);
	CU_ASSERT_EQUAL(ctl("limit 12345678 12 --socket %s", rig->pager.control), 1);
	CHECK_CONTAINS(output, "12: not a limit");
	CU_ASSERT_EQUAL(ctl("abort 12345678 --socket %s", rig->pager.control), 1);
	CHECK_CONTAINS(output, "--reason TEXT is needed");
	CU_ASSERT_EQUAL(ctl("pause 12345678 --reason x --socket %s", rig->pager.control), 1);
	CU_ASSERT_EQUAL(ctl("pause 1234 --socket %s", rig->pager.control), 1);
	CHECK_CONTAINS(output, "session: takes 8 to 64 hex digits");
	CU_ASSERT_EQUAL(ctl("pause 00000000 --socket %s", rig->pager.control), 4);
	CU_ASSERT_EQUAL(ctl("pause %s --socket %s", rig->ticket, rig->pager.status), 2);
	CHECK_CONTAINS(output, "this socket is for looking");
	CU_ASSERT_EQUAL(ctl("wait --until never --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("wait --timeout x --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("wait --timeout nan --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("wait --timeout 0.05 --socket %s", rig->pager.status), 7);
	CU_ASSERT_EQUAL(ctl("status --until running --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("wait --watch --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("status --interval 1 --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("status --watch --interval 0.1 --socket %s", rig->pager.status), 1);
	CU_ASSERT_EQUAL(ctl("status --socket /nonexistent/socket"), 6);
	CHECK_CONTAINS(output, "nobody is there");
	CU_ASSERT_EQUAL(ctl("status --socket /%0200d", 0), 6);
	CU_ASSERT_EQUAL(ctl("thaw --socket %s", rig->pager.control), 1);
	end();
}

static const struct check checks[] = {
	{ "a whole move is seen", test_a_whole_move_is_seen },
	{ "the map", test_the_map },
	{ "pause and resume", test_pause_and_resume },
	{ "limit", test_limit },
	{ "abort at the source", test_abort_at_the_source },
	{ "abort at the destination", test_abort_at_the_destination },
	{ "abort after START", test_abort_after_start },
	{ "no abort once it runs", test_no_abort_once_it_runs },
	{ "lost and abandoned", test_lost_and_abandoned },
	{ "watch and JSON", test_watch_and_json },
	{ "bad use", test_bad_use },
	{ NULL, NULL },
};

CHECK_MAIN("control of a move", checks)
