// SPDX-License-Identifier: MIT
/* What the programs say to some options on their command lines; how they exit. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Nothing of this is there: who takes all options says that it cannot load the key pair. */
#define OTHERS "--socket /nonexistent/s --key /nonexistent/k --peer /nonexistent/p --ticket /nonexistent/t"

static char output[16384];

static int run_with(const char *program, const char *options, const char *others)
{
	char command[1024];
	size_t len;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s %s %s 2>&1", program, options, others);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *program, const char *options)
{
	return run_with(program, options, OTHERS);
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

#define LISTEN "listen = 127.0.0.1:7000\n"

static char config[] = "/tmp/gmem-options.XXXXXX";

static void write_config(const char *text, size_t len)
{
	FILE *f = fopen(config, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* What gmem-pager says to these lines, with @others on its command line. */
static void expect_lines(const char *text, const char *others, const char *sentence)
{
	char line[128];

	write_config(text, strlen(text));
	snprintf(line, sizeof(line), "--config %s", config);
	CU_ASSERT_EQUAL(run_with(GMEM_PAGER, line, others), 1);
	CHECK_CONTAINS(output, sentence);
}

static void test_config_is_taken(void)
{
	CU_ASSERT_FATAL(close(mkstemp(config)) == 0);
	expect_lines(LISTEN, OTHERS, "cannot load the key pair /nonexistent/k");
	expect_lines("# of VM 7\n\n\t " LISTEN "ping-interval=100\r\npeer-timeout\t=\t300 \nlog-format = json", OTHERS,
		     "\"message\":\"cannot load the key pair /nonexistent/k");
	/* All of them; nothing in a value is special. */
	expect_lines(LISTEN "peer = p\nticket = t\nsocket = s\nkey =  /no such/'key' # \"=1\" \n", "",
		     "cannot load the key pair /no such/'key' # \"=1\": No such file");
	/* The command line counts. */
	expect_lines(LISTEN "key = /from/the/file\nlog-format = json\n", OTHERS " --log-format text",
		     "error: cannot load the key pair /nonexistent/k");
	expect_lines("", OTHERS, "missing options: an address");
	unlink(config);
}

static void test_config_is_refused(void)
{
	static const struct {
		const char *text, *sentence;
	} lines[] = {
		{ "listen = 127.0.0.1\n", ":1: --listen: takes a numeric host and a port" },
		{ LISTEN "\n# \npeer-timeout = soon\n", ":4: --peer-timeout=soon: invalid numeric value" },
		{ LISTEN "peer-timeout = 600001", ":2: --peer-timeout: must be 1 to 600000" },
		{ LISTEN "connect = 127.0.0.1:7000\n", ":2: connect: no option that can stand in a file" },
		{ "config = /etc/passwd\n", ":1: config: no option that can stand in a file" },
		{ "help = 1\n", ":1: help: no option" },
		{ "Listen = 127.0.0.1:7000\n", ":1: Listen: no option" },
		{ "--listen = 127.0.0.1:7000\n", ":1: --listen: no option" },
		{ "= x\n", ":1: the line: is not NAME = VALUE" },
		{ "listen 127.0.0.1:7000\n", ":1: the line: is not NAME = VALUE" },
		{ "listen =\n", ":1: listen: has no value" },
		{ "listen = # nothing\n", ":1: --listen: takes a numeric host" },
		{ LISTEN LISTEN, ":2: listen: stands in line 1 already" },
		{ "cipher = rot13\n", ":1: --cipher: takes auto" },
		{ "log-format = \"json\"\n", ":1: --log-format: takes text or json" },
		{ "control = c.sock\n", ":1: --control: takes an absolute path" },
		{ "ping-interval = 5000\n" LISTEN, "--peer-timeout: must be 10000 to 600000" },
	};
	char line[128], text[2048];
	size_t i;

	strcpy(strrchr(config, '.'), ".XXXXXX");
	CU_ASSERT_FATAL(close(mkstemp(config)) == 0);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_lines(lines[i].text, OTHERS, lines[i].sentence);
	memset(text, 'x', sizeof(text));
	memcpy(text, LISTEN "socket = /", strlen(LISTEN) + 10);
	text[sizeof(text) - 1] = '\0';
	expect_lines(text, OTHERS, ":2: the line: is longer than 1024 bytes");
	write_config(LISTEN "\0", strlen(LISTEN) + 1);
	snprintf(line, sizeof(line), "--config %s", config);
	CU_ASSERT_EQUAL(run(GMEM_PAGER, line), 1);
	CHECK_CONTAINS(output, "a NUL byte is in it");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--config /nonexistent/f"), 1);
	CHECK_CONTAINS(output, "/nonexistent/f: cannot be read: No such file");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--config /dev/zero"), 1);
	CHECK_CONTAINS(output, "/dev/zero: cannot be read");
	unlink(config);
}

#define ROOT "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define NO_SOCKET "--key /nonexistent/k --peer /nonexistent/p --ticket /nonexistent/t"
#define FROM "--connect 127.0.0.1:7000 --snapshot-from /nonexistent/f "

static void expect_from(const char *options, const char *sentence)
{
	char line[512];

	snprintf(line, sizeof(line), FROM "%s", options);
	CU_ASSERT_EQUAL(run_with(GMEM_SOURCE, line, NO_SOCKET), 1);
	CHECK_CONTAINS(output, sentence);
}

static void test_snapshot_to(void)
{
	static const char *const bad[][2] = {
		{ "--connect 127.0.0.1:7000", "--connect: a VM goes to a pager or, by --snapshot-to, into a file" },
		{ "--background-limit 1M", "--background-limit: a snapshot is written as fast as" },
		{ "--policy /nonexistent/p", "a file shows no evidence and judges none" },
		{ "--evidence tsm", "a file shows no evidence and judges none" },
		{ "--snapshot-from /nonexistent/f", "--snapshot-to: goes without --snapshot-from" },
		{ "--snapshot-root " ROOT, "go with --snapshot-from" }, { "--allow-rollback", "go with --snapshot-from" },
		{ "--snapshot-writer /nonexistent/w", "go with --snapshot-from" },
	};
	char line[512];
	size_t i;

	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--snapshot-to /nonexistent/f"), 1);
	CHECK_CONTAINS(output, "cannot load the key pair");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "--snapshot-to /nonexistent/f %s", bad[i][0]);
		CU_ASSERT_EQUAL(run(GMEM_SOURCE, line), 1);
		CHECK_CONTAINS(output, bad[i][1]);
	}
	CU_ASSERT_EQUAL(run_with(GMEM_SOURCE, "--snapshot-to /nonexistent/f", NO_SOCKET), 1);
	CHECK_CONTAINS(output, "missing options");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--listen 127.0.0.1:7000 --snapshot-to /nonexistent/f"), 1);
	CHECK_CONTAINS(output, "unknown option");
}

static void test_snapshot_from(void)
{
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root " ROOT, "cannot load the key pair");
	expect_from("--snapshot-writer /nonexistent/w --allow-rollback", "cannot load the key pair");
	expect_from("--snapshot-writer /nonexistent/w --issuer /nonexistent/i", "cannot load the key pair");
	expect_from("--snapshot-root " ROOT, "--snapshot-from: needs --snapshot-writer");
	expect_from("--snapshot-writer /nonexistent/w", "--snapshot-from: needs --snapshot-root");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root " ROOT "0", "--snapshot-root: takes 64 hex digits");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root 12", "--snapshot-root: takes 64 hex digits");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root ''", "--snapshot-root: takes 64 hex digits");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root x" ROOT, "--snapshot-root: takes 64 hex digits");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root " ROOT " --allow-rollback",
		    "--allow-rollback: goes without --snapshot-root");
	expect_from("--snapshot-writer /nonexistent/w --snapshot-root " ROOT " --socket /nonexistent/s",
		    "--socket: with --snapshot-from there is no VMM");
	CU_ASSERT_EQUAL(run_with(GMEM_SOURCE, "--snapshot-from /nonexistent/f --snapshot-writer /nonexistent/w --allow-rollback",
				 NO_SOCKET), 1);
	CHECK_CONTAINS(output, "missing options");
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--help"), 0);
	CHECK_CONTAINS(output, "--snapshot-to=FILE");
	CHECK_CONTAINS(output, "--snapshot-from=FILE");
}

#define RESTORE "--snapshot-writer /nonexistent/w --snapshot-root " ROOT " "

static void test_working_set(void)
{
	expect_from(RESTORE "--working-set-to /nonexistent/s", "cannot load the key pair");
	expect_from(RESTORE "--working-set-to /nonexistent/s --working-set-time 86400", "cannot load the key pair");
	expect_from(RESTORE "--working-set-from /nonexistent/s", "cannot load the key pair");
	expect_from(RESTORE "--working-set-from /nonexistent/s --working-set-to /nonexistent/t",
		    "--working-set-to: goes without --working-set-from");
	expect_from(RESTORE "--working-set-to /nonexistent/s --working-set-time 0", "--working-set-time: must be 1 to 86400");
	expect_from(RESTORE "--working-set-to /nonexistent/s --working-set-time 86401", "must be 1 to 86400");
	expect_from(RESTORE "--working-set-from /nonexistent/s --working-set-time 11",
		    "--working-set-time: goes with --working-set-to");
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--connect 127.0.0.1:7000 --working-set-to /nonexistent/s"), 1);
	CHECK_CONTAINS(output, "go with --snapshot-from");
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--snapshot-to /nonexistent/f --working-set-from /nonexistent/s"), 1);
	CHECK_CONTAINS(output, "go with --snapshot-from");
	CU_ASSERT_EQUAL(run(GMEM_PAGER, "--listen 127.0.0.1:7000 --working-set-to /nonexistent/s"), 1);
	CHECK_CONTAINS(output, "unknown option");
	CU_ASSERT_EQUAL(run(GMEM_SOURCE, "--help"), 0);
	CHECK_CONTAINS(output, "--working-set-to=FILE");
	CHECK_CONTAINS(output, "--working-set-from=FILE");
}

static const struct check checks[] = {
	{ "a limit of the background stream", test_background_limit },
	{ "gmem-pager has none", test_pager_has_none },
	{ "control sockets", test_control_sockets },
	{ "the log's format", test_log_format },
	{ "options from a file", test_config_is_taken },
	{ "options from a file that are wrong", test_config_is_refused },
	{ "a snapshot's writing", test_snapshot_to },
	{ "a snapshot's restoring", test_snapshot_from },
	{ "a working set", test_working_set },
	{ NULL, NULL },
};

CHECK_MAIN("options", checks)
