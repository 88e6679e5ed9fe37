// SPDX-License-Identifier: MIT
/* What the programs say to a limit of the background stream on their command lines; how they exit. */
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

static const struct check checks[] = {
	{ "a limit of the background stream", test_background_limit },
	{ "gmem-pager has none", test_pager_has_none },
	{ NULL, NULL },
};

CHECK_MAIN("options", checks)
