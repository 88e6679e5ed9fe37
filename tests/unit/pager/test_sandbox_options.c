// SPDX-License-Identifier: MIT
/* --sandbox and --user: what is taken, what is not, what both programs say to it. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sandbox/sandbox.h"

static char error[SANDBOX_ERROR_LEN];

static void test_stages(void)
{
	static const struct {
		const char *spec;
		unsigned int stages;
	} good[] = {
		{ NULL, SANDBOX_FULL },
		{ "full", SANDBOX_FULL },
		{ "off", 0 },
		{ "full,-user", SANDBOX_FULL & ~SANDBOX_USER },
		{ "full,-landlock", SANDBOX_FULL & ~SANDBOX_LANDLOCK },
		{ "full,-landlock,-seccomp", SANDBOX_USER | SANDBOX_CAPS | SANDBOX_NO_NEW_PRIVS },
		{ "full,-seccomp,-seccomp", SANDBOX_FULL & ~SANDBOX_SECCOMP },
		{ "full,-user,-caps,-no-new-privs,-landlock,-seccomp", 0 },
	};
	static const char *const bad[] = {
		"", "none", "of", "offf", "Full", "full,", "full,,", "full,landlock", "full,-", "full,-land", "full,-landlockx",
		"full -landlock", "full-landlock", "full,-landlock,", "-landlock", "off,-landlock", "fullx",
		"full,-dumpable",
	};
	unsigned int stages;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		stages = 0xff;
		CU_ASSERT_EQUAL(sandbox_parse(good[i].spec, &stages, error), 0);
		CU_ASSERT_EQUAL(stages, good[i].stages);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		stages = 0xff;
		error[0] = '\0';
		CU_ASSERT_EQUAL(sandbox_parse(bad[i], &stages, error), -EINVAL);
		CU_ASSERT_EQUAL(stages, 0xff);
		CU_ASSERT_NOT_EQUAL(error[0], '\0');
	}
}

/* Without them an ordinary user can have neither, and root could get back what it gave up. */
static void test_stages_that_need_another(void)
{
	unsigned int stages = 0xff;

	CU_ASSERT_EQUAL(sandbox_parse("full,-no-new-privs", &stages, error), -EINVAL);
	CHECK_CONTAINS(error, "need no-new-privs");
	CU_ASSERT_EQUAL(sandbox_parse("full,-no-new-privs,-seccomp", &stages, error), -EINVAL);
	CU_ASSERT_EQUAL(sandbox_parse("full,-no-new-privs,-seccomp,-landlock", &stages, error), 0);
	CU_ASSERT_EQUAL(stages, SANDBOX_USER | SANDBOX_CAPS);
}

static void test_users(void)
{
	static const struct {
		const char *text;
		uid_t uid;
		gid_t gid;
	} good[] = {
		{ "nobody", 65534, 65534 },
		{ "65534", 65534, 65534 },
		{ "nobody:7", 65534, 7 },
		{ "4000000:17", 4000000, 17 },
		{ "4000000:daemon", 4000000, 1 },
	};
	static const char *const no_user[] = {
		"", ":", ":5", "root", "0", "0:0", "root:daemon", "no-such-user-here", "-1", "4294967295:1", "4294967296:1",
		"99999999999999999999:1", "12x:1",
	};
	static const char *const no_group[] = { "nobody:", "nobody:no-such-group-here", "nobody:-1", "nobody:1:1", "4000000" };
	struct sandbox_who who = { 5, 5 };
	size_t i;

	for (i = 0; i < sizeof(no_user) / sizeof(no_user[0]); i++)
		CU_ASSERT_EQUAL(sandbox_who_parse(no_user[i], &who, error), -ENOENT);
	for (i = 0; i < sizeof(no_group) / sizeof(no_group[0]); i++)
		CU_ASSERT_EQUAL(sandbox_who_parse(no_group[i], &who, error), -EINVAL);
	CU_ASSERT_EQUAL(who.uid, 5);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(sandbox_who_parse(good[i].text, &who, error), 0);
		CU_ASSERT_EQUAL(who.uid, good[i].uid);
		CU_ASSERT_EQUAL(who.gid, good[i].gid);
	}
}

static char output[32768];

/* Nothing of these files is there: who takes the options says that it cannot load the key pair. */
static int run(const char *program, const char *address, const char *options)
{
	char command[1024];
	size_t len;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s %s 127.0.0.1:7000 --socket /nonexistent/s --key /nonexistent/k --peer "
		 "/nonexistent/p --ticket /nonexistent/t --state-dir /nonexistent/d %s 2>&1", program, address, options);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *options, const char *sentence)
{
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--listen", options), 1);
	CHECK_CONTAINS(output, sentence);
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--connect", options), 1);
	CHECK_CONTAINS(output, sentence);
}

static void test_programs(void)
{
	expect("", "cannot load the key pair");
	expect("--sandbox full", "cannot load the key pair");
	expect("--sandbox off", "NO SANDBOX");
	expect("--sandbox off", "cannot load the key pair");
	expect("--sandbox full,-landlock", "sandbox without landlock: it can open any file");
	expect("--sandbox full,-seccomp", "sandbox without seccomp: it can make any system call");
	expect("--sandbox full,-caps", "sandbox without caps");
	expect("--sandbox some", "--sandbox: takes off, or full");
	expect("--sandbox full,-dumpable", "--sandbox: -dumpable is none of");
	expect("--user no-such-user-here", "there is no user no-such-user-here");
	expect("--user nobody:no-such-group-here", "there is no group no-such-group-here");
	expect("--user nobody --sandbox off", "leave out one of the two");
	expect("--user root", "name another user");
	if (geteuid() == 0)
		expect("", "IT STAYS ROOT");
	else
		expect("--user nobody", "only root can become another user");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--listen", "--help"), 0);
	CHECK_CONTAINS(output, "--sandbox=full[,-STAGE]...");
	CHECK_CONTAINS(output, "--user=NAME|UID[:GROUP]");
}

static const struct check checks[] = {
	{ "stages are left out by name", test_stages },
	{ "some stages need another one", test_stages_that_need_another },
	{ "users", test_users },
	{ "both programs", test_programs },
	{ NULL, NULL },
};

CHECK_MAIN("pager sandbox options", checks)
