// SPDX-License-Identifier: MIT
/*
 * The tool that spoils records on a real network, between two sides in one
 * process.  Shows that it passes everything else on, and strikes where it is told.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "restart.h"

#define N_PRIVATE 1024u

struct wirebend {
	pid_t pid;
	FILE *out;
	char text[4096];	/* all that it said */
};

static void start(struct wirebend *bend, const struct duo *duo, const char *act, const char *lane, const char *op,
		  const char *sender, const char *nth)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	bend->pid = fork();
	CU_ASSERT_TRUE_FATAL(bend->pid >= 0);
	if (bend->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execlp("python3", "python3", WIREBEND, "--listen", duo->source_address, "--to", duo->address, "--act", act,
		       "--lane", lane, "--op", op, "--from", sender, "--nth", nth, "--ms", "5", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	bend->out = fdopen(fds[0], "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(bend->text, sizeof(bend->text), bend->out));
	CU_ASSERT_STRING_EQUAL(bend->text, "ready\n");
}

/* All it has to say, once the connections are gone. */
static void stop(struct wirebend *bend)
{
	size_t n = fread(bend->text, 1, sizeof(bend->text) - 1, bend->out);
	int status;

	bend->text[n] = '\0';
	fclose(bend->out);
	waitpid(bend->pid, &status, 0);
}

static void bend_move(const char *act, const char *lane, enum gmem_phase expected, const char *sentence)
{
	struct wirebend bend;
	struct duo duo;
	uint64_t gfn;
	char line[64];

	duo_init(&duo, N_PRIVATE, 0);
	duo_choose_address(duo.source_address, sizeof(duo.source_address));
	if (strcmp(act, "stall") == 0)		/* the pager is the first to know of it */
		duo.pager_config.peer_ms = duo.source_config.peer_ms / 4;
	start(&bend, &duo, act, lane, "PAGES", "source", "2");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	/* Wanted one by one, so that each is a record of its own; a spoiled one may end the move before it runs. */
	for (gfn = 0; gfn < 3; gfn++)
		if (strcmp(lane, "urgent") != 0 || gfn < 2)
			CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, gfn * 32 + 1), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), expected);
	if (sentence != NULL)
		CHECK_CONTAINS(duo_pager_error(&duo, NULL), sentence);
	else
		CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	for (gfn = 0; gfn < N_PRIVATE; gfn++)
		if (!fake_vm_is_missing(&duo.pager_vm, gfn) &&
		    memcmp(fake_vm_page(&duo.pager_vm, gfn), fake_vm_page(&duo.source_vm, gfn), FAKE_PAGE) != 0)
			CU_FAIL("a page that is present differs");
	duo_fini(&duo);
	stop(&bend);
	snprintf(line, sizeof(line), "bent %s source %s PAGES 2", act, lane);
	if (strcmp(act, "none") != 0)
		CHECK_CONTAINS(bend.text, line);
	CHECK_CONTAINS(bend.text, "seen source bulk PAGES");
}

static void test_none(void)
{
	bend_move("none", "urgent", GMEM_PHASE_COMPLETE, NULL);
}

static void test_delay(void)
{
	bend_move("delay", "bulk", GMEM_PHASE_COMPLETE, NULL);
}

static void test_flip(void)
{
	bend_move("flip", "bulk", GMEM_PHASE_FAILED, "not authentic");
}

static void test_gfn(void)
{
	bend_move("gfn", "bulk", GMEM_PHASE_FAILED, "not authentic");
}

static void test_replay(void)
{
	bend_move("replay", "bulk", GMEM_PHASE_FAILED, "not authentic");
}

static void test_swap(void)
{
	bend_move("swap", "bulk", GMEM_PHASE_FAILED, "not authentic");
}

static void test_divert(void)
{
	bend_move("divert", "bulk", GMEM_PHASE_FAILED, "not authentic");
}

static void test_cut(void)
{
	bend_move("cut", "bulk", GMEM_PHASE_FAILED, "lost");
}

static void test_stall(void)
{
	bend_move("stall", "bulk", GMEM_PHASE_FAILED, "silent");
}

/* COMPLETE is held back, its sender is killed; then the wire is whole again, and another process says it. */
static void test_complete_held_back(void)
{
	struct wirebend bend;
	struct duo duo;

	restart_init(&duo);
	duo_choose_address(duo.source_address, sizeof(duo.source_address));
	start(&bend, &duo, "stall", "control", "COMPLETE", "pager", "0");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	restart_kill_pager(&duo);
	stop(&bend);
	CHECK_CONTAINS(bend.text, "bent stall pager control COMPLETE 0");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "COMPLETE"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	start(&bend, &duo, "none", "control", "COMPLETE", "pager", "0");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(restart_pager_settles(&duo));
	restart_finish(&duo);
	stop(&bend);
	CHECK_CONTAINS(bend.text, "seen source control RELEASED 1");
}

static const struct check checks[] = {
	{ "nothing", test_none },
	{ "a lane delayed", test_delay },
	{ "a bit flipped", test_flip },
	{ "another GFN", test_gfn },
	{ "replayed", test_replay },
	{ "swapped", test_swap },
	{ "on another lane", test_divert },
	{ "cut", test_cut },
	{ "stalled", test_stall },
	{ "COMPLETE held back", test_complete_held_back },
	{ NULL, NULL },
};

CHECK_MAIN("wirebend", checks)
