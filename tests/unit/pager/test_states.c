// SPDX-License-Identifier: MIT
#include <errno.h>

#include "check.h"
#include "states.h"

static struct states states;

static int add(uint32_t index, uint32_t n_states, const char *name, uint32_t total_len, uint32_t offset, size_t len)
{
	static const uint8_t data[GMEM_MAX_STATE_LEN];
	struct states_part part = { .index = index, .n_states = n_states, .total_len = total_len, .offset = offset };

	memcpy(part.name, name, strnlen(name, sizeof(part.name)));
	return states_add(&states, &part, data, len);
}

static void test_parts_in_order(void)
{
	states_init(&states);
	CU_ASSERT_EQUAL(states_check(&states, 0), 0);
	CU_ASSERT_EQUAL(add(0, 2, "a", 10, 0, 4), 0);
	CU_ASSERT_EQUAL(states_check(&states, 2), -EPROTO);
	CU_ASSERT_EQUAL(add(0, 2, "a", 10, 4, 6), 0);
	CU_ASSERT_EQUAL(add(1, 2, "b", 0, 0, 0), 0);
	CU_ASSERT_EQUAL(states_check(&states, 2), 0);
	CU_ASSERT_EQUAL(states_check(&states, 1), -EPROTO);
	CU_ASSERT_EQUAL(states.states[0].data_len, 10);
	states_fini(&states);
	CU_ASSERT_EQUAL(states.n_states, 0);
}

static void test_refused_parts(void)
{
	static const struct {
		uint32_t index, n_states;
		const char *name;
		uint32_t total_len, offset;
		size_t len;
	} bad[] = {
		{ 1, 2, "a", 4, 0, 4 },			/* not the first */
		{ 0, 0, "a", 4, 0, 4 },			/* of none */
		{ 0, 65, "a", 4, 0, 4 },		/* of too many */
		{ 0, 1, "", 4, 0, 4 },			/* no name */
		{ 0, 1, "0123456789abcdef0123456789abcdef", 4, 0, 4 },	/* name without an end */
		{ 0, 1, "a", GMEM_MAX_STATE_LEN + 1, 0, 4 },
		{ 0, 1, "a", 4, 1, 3 },			/* a gap */
		{ 0, 1, "a", 4, 0, 5 },			/* more than announced */
		{ 0, 1, "a", 4, 0, 0 },			/* nothing at all */
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		states_init(&states);
		CU_ASSERT_EQUAL(add(bad[i].index, bad[i].n_states, bad[i].name, bad[i].total_len, bad[i].offset,
				    bad[i].len), -EPROTO);
		states_fini(&states);
	}
}

static void test_refused_second_parts(void)
{
	int i;

	for (i = 0; i < 5; i++) {
		states_init(&states);
		CU_ASSERT_EQUAL(add(0, 2, "a", 10, 0, 4), 0);
		CU_ASSERT_EQUAL(i == 0 ? add(0, 2, "b", 10, 4, 6) : i == 1 ? add(0, 2, "a", 11, 4, 6) :
				i == 2 ? add(0, 3, "a", 10, 4, 6) : i == 3 ? add(1, 2, "b", 10, 0, 10) :
				add(0, 2, "a", 10, 0, 4), -EPROTO);
		states_fini(&states);
	}
	states_init(&states);
	CU_ASSERT_EQUAL(add(0, 2, "a", 1, 0, 1), 0);
	CU_ASSERT_EQUAL(add(1, 2, "a", 1, 0, 1), -EPROTO);
	states_fini(&states);
	states_init(&states);
	CU_ASSERT_EQUAL(add(0, 1, "a", 1, 0, 1), 0);
	CU_ASSERT_EQUAL(add(1, 1, "b", 1, 0, 1), -EPROTO);
	states_fini(&states);
}

static const struct check checks[] = {
	{ "parts in order", test_parts_in_order },
	{ "refused parts", test_refused_parts },
	{ "refused second parts", test_refused_second_parts },
	{ NULL, NULL },
};

CHECK_MAIN("states", checks)
