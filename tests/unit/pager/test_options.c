// SPDX-License-Identifier: MIT
/* What the programs say to some options on their command lines; how they exit. */
#include <sys/wait.h>

#include "check.h"

/* Nothing of this is there: who takes all options says that it cannot load the key pair. */
#define OTHERS "--socket /nonexistent/s --key /nonexistent/k --peer /nonexistent/p --ticket /nonexistent/t"

static char output[16384];

static int run(const char *program, const char *options)
{
	char command[1024];
	size_t len;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s %s " OTHERS " 2>&1", program, options);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_background_limit(void)
{
	static const char *const good[] = { "0", "4K", "100M", "1024G" };
	static const char *const bad[] = { "''", "1", "4k", "-1", "fast", "1025G", "64K/s" };
	char options[128];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(options, sizeof(options), "--connect 127.0.0.1:7000 --background-limit %s", good[i]);
		CU_ASSERT_EQUAL(run(GMEM_SOURCE, options), 1);
		CHECK_CONTAINS(output, "cannot load the key pair");
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(options, sizeof(options), "--connect 127.0.0.1:7000 --background-limit %s", bad[i]);
		CU_ASSERT_EQUAL(run(GMEM_SOURCE, options), 1);
		CHECK_CONTAINS(output, "--background-limit: takes bytes a second, 4K to 1024G");
	}
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--help"), 0);
	CHECK_CONTAINS(output, "--background-limit=RATE");
}

/* It receives. */
static void test_pager_has_none(void)
{
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--listen 127.0.0.1:7000 --background-limit 64K"), 1);
	CHECK_CONTAINS(output, "unknown option");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--help"), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "background-limit"));
}

/* Both programs, each option: what is taken, what is not, and that --help has it. */
static void expect_option(const char *options, const char *sentence)
{
	char line[512];

	snprintf(line, sizeof(line), "--connect 127.0.0.1:7000 %s", options);
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, line), 1);
	CHECK_CONTAINS(output, sentence);
	snprintf(line, sizeof(line), "--listen 127.0.0.1:7000 %s", options);
	CU_ASSERT_EQUAL(run(GMEM_PAGER, line), 1);
	CHECK_CONTAINS(output, sentence);
}

static void test_control_sockets(void)
{
	expect_option("--control /nonexistent/c --status /nonexistent/t --status-group root", "cannot load the key pair");
	expect_option("--control relative", "--control: takes an absolute path");
	expect_option("--control ''", "--control: takes an absolute path");
	expect_option("--status relative", "--status: takes an absolute path");
	expect_option("--status /$(printf %107s | tr ' ' x)", "--status: takes an absolute path of at most 107 bytes");
	expect_option("--control /nonexistent/s", "--control: each socket needs a path of its own");
	expect_option("--status /nonexistent/s", "--status: each socket needs a path of its own");
	expect_option("--control /nonexistent/c --status /nonexistent/c", "--status: each socket needs a path of its own");
	expect_option("--status-group root", "--status-group: goes with --status");
	expect_option("--control /nonexistent/c --status-group root", "--status-group: goes with --status");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--help"), 0);
	CHECK_CONTAINS(output, "--control=PATH");
	CHECK_CONTAINS(output, "--status=PATH");
	CHECK_CONTAINS(output, "--status-group=GROUP");
}

static void test_log_format(void)
{
	expect_option("--log-format text", "error: cannot load the key pair");
	expect_option("--log-format json", "\"level\":\"error\",\"message\":\"cannot load the key pair");
	expect_option("--log-format xml", "--log-format: takes text or json");
	expect_option("--log-format ''", "--log-format: takes text or json");
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--help"), 0);
	CHECK_CONTAINS(output, "--log-format=FORMAT");
}

static const struct check checks[] = {
	{ "a limit of the background stream", test_background_limit },
	{ "gmem-pager has none", test_pager_has_none },
	{ "control sockets", test_control_sockets },
	{ "the log's format", test_log_format },
	{ NULL, NULL },
};

CHECK_MAIN("options", checks)
