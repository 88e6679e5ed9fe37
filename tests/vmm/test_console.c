// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "console.h"

static void say(struct console *console, const char *text)
{
	while (*text)
		console_emit(console, (uint8_t)*text++);
}

static void test_rounds(void)
{
	struct console_facts facts;
	struct console console;

	CU_ASSERT_EQUAL_FATAL(console_init(&console, NULL), 0);
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 0, 0), -ETIMEDOUT);	/* nothing seen yet */
	say(&console, "[    0.1] kernel line\r\nROUND 7 vcpu=0 mismatches=0 gap_us=900\r\n");
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 7, 0), -ETIMEDOUT);	/* vCPU 1 is missing */
	CU_ASSERT_EQUAL(console_wait_round(&console, 1, 7, 0), 0);
	say(&console, "ROUND 9 vcpu=1 mismatches=3 gap_us=55\r\n");
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 7, 0), 0);
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 8, 0), -ETIMEDOUT);
	say(&console, "ROUND 1 vcpu=7 mismatches=0 gap_us=1\nROUND x\n");	/* no such vCPU; not a line */
	console_close(&console);
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 7, 1000), 0);		/* what came, came */
	CU_ASSERT_EQUAL(console_wait_round(&console, 2, 8, 60000), -ESHUTDOWN);	/* and nobody waits for more */
	console_get_facts(&console, &facts);
	CU_ASSERT_EQUAL(facts.n_rounds, 2);
	CU_ASSERT_EQUAL(facts.round[0], 7);
	CU_ASSERT_EQUAL(facts.mismatches[1], 3);
	CU_ASSERT_EQUAL(facts.max_gap_us, 900);
	console_fini(&console);
}

static void test_ranges(void)
{
	struct console_range *ranges;
	struct console console;
	size_t n_ranges;

	CU_ASSERT_EQUAL_FATAL(console_init(&console, NULL), 0);
	say(&console, "FIXED gpa=0x1000000 pages=16000\r\nFIXED gpa=0x8000000 pages=384\r\n");
	CU_ASSERT_EQUAL(console_get_ranges(&console, &ranges, &n_ranges), -ENODATA);	/* the end is missing */
	say(&console, "FIXED-END total=16384\r\n");
	CU_ASSERT_EQUAL(console_wait_fixed(&console, 0), 0);
	CU_ASSERT_EQUAL_FATAL(console_get_ranges(&console, &ranges, &n_ranges), 0);
	CU_ASSERT_EQUAL(n_ranges, 2);
	CU_ASSERT_EQUAL(ranges[1].gpa, 0x8000000);
	CU_ASSERT_EQUAL(ranges[1].n_pages, 384);
	free(ranges);
	console_fini(&console);
}

static void test_bad_ranges(void)
{
	struct console_range range = { 5, 5 };

	CU_ASSERT_FALSE(console_parse_fixed("FIXED gpa=0x1001 pages=1", &range));
	CU_ASSERT_FALSE(console_parse_fixed("FIXED gpa=0x1000 pages=0", &range));
	CU_ASSERT_FALSE(console_parse_fixed("FIXED gpa=0xfffffffffffff000 pages=2", &range));
	CU_ASSERT_FALSE(console_parse_fixed("FIXED gpa=0x1000 pages=99999999999999", &range));
	CU_ASSERT_FALSE(console_parse_fixed("FIXED gpa=1000 pages=1", &range));
	CU_ASSERT_FALSE(console_parse_fixed("", &range));
	CU_ASSERT_EQUAL(range.gpa, 5);
	CU_ASSERT_TRUE(console_parse_fixed("FIXED gpa=0x1000 pages=2", &range));
}

/* A line that was begun on one host ends on the other. */
static void test_line_travels(void)
{
	struct console_facts facts;
	struct console here, there;
	char line[CONSOLE_MAX_LINE];
	size_t len;

	CU_ASSERT_EQUAL_FATAL(console_init(&here, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(console_init(&there, NULL), 0);
	say(&here, "ROUND 12 vcpu=0 mism");
	len = console_save_line(&here, line);
	CU_ASSERT_EQUAL(len, 20);
	console_restore_line(&there, line, len);
	say(&there, "atches=0 gap_us=1\r\n");
	console_get_facts(&there, &facts);
	CU_ASSERT_EQUAL(facts.round[0], 12);
	console_fini(&here);
	console_fini(&there);
}

static void test_endless_line(void)
{
	struct console console;
	char line[CONSOLE_MAX_LINE];

	CU_ASSERT_EQUAL_FATAL(console_init(&console, NULL), 0);
	for (unsigned int i = 0; i < 10 * CONSOLE_MAX_LINE + 3; i++)
		console_emit(&console, '.');
	CU_ASSERT_EQUAL(console_save_line(&console, line), 3);
	console_fini(&console);
}

static const struct check_case cases[] = {
	{ "rounds of each vCPU are followed", test_rounds },
	{ "fixed ranges are known once complete", test_ranges },
	{ "impossible ranges are not taken", test_bad_ranges },
	{ "an unfinished line travels", test_line_travels },
	{ "a line without end is cut", test_endless_line },
};

int main(void)
{
	return check_run("console", cases, sizeof(cases) / sizeof(cases[0]));
}
