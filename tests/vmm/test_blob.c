// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "blob.h"
#include "check.h"
#include "error.h"

static const uint64_t regs[4] = { 1, 2, 3, 4 };

static void test_round_trip(void)
{
	struct blob_set set = { .n_blobs = 0 };
	uint64_t back[4] = { 0 };
	const void *items;
	size_t n_items = 0;

	CU_ASSERT_EQUAL(blob_put(&set, 1, BLOB_REGS, regs, sizeof(regs), 1), 0);
	CU_ASSERT_STRING_EQUAL(set.blobs[0].name, "vcpu1.regs");
	CU_ASSERT_EQUAL(blob_put(&set, -1, BLOB_CPUID, regs, 8, 4), 0);
	CU_ASSERT_STRING_EQUAL(set.blobs[1].name, "vm.cpuid");
	CU_ASSERT_EQUAL(blob_read(&set, 1, BLOB_REGS, back, sizeof(back), 1), 0);
	CU_ASSERT_EQUAL(memcmp(back, regs, sizeof(regs)), 0);
	CU_ASSERT_EQUAL(blob_open(&set, -1, BLOB_CPUID, 8, &items, &n_items), 0);
	CU_ASSERT_EQUAL(n_items, 4);
	CU_ASSERT_EQUAL(memcmp(items, regs, sizeof(regs)), 0);
	CU_ASSERT_EQUAL((uintptr_t)items % 8, 0);
	blob_set_fini(&set);
	CU_ASSERT_EQUAL(set.n_blobs, 0);
}

static void test_sender_limits(void)
{
	static uint8_t large[BLOB_MAX_LEN];
	struct blob_set set = { .n_blobs = 0 };

	CU_ASSERT_EQUAL(blob_put(&set, 0, BLOB_REGS, regs, 8, 2), -EINVAL);	/* one item is the limit */
	CU_ASSERT_EQUAL(blob_put(&set, 0, BLOB_REGS, regs, 8, 0), -EINVAL);
	CU_ASSERT_EQUAL(blob_put(&set, 0, BLOB_REGS, large, 257, 1), -EINVAL);
	CU_ASSERT_EQUAL(blob_put(&set, -1, BLOB_MEMORY_MAP, large, 32, 32768), -EINVAL);	/* header does not fit */
	CU_ASSERT_EQUAL(set.n_blobs, 0);
}

/* A good blob to damage. */
static size_t make_wire(uint8_t *ret_wire)
{
	struct blob_set set = { .n_blobs = 0 };
	size_t len;

	if (blob_put(&set, 0, BLOB_REGS, regs, sizeof(regs), 1))
		CU_FAIL_FATAL("no blob to damage");
	len = set.blobs[0].data_len;
	memcpy(ret_wire, set.blobs[0].data, len);
	blob_set_fini(&set);
	return len;
}

static int read_wire(const char *name, const uint8_t *wire, size_t len)
{
	struct blob_set set = { .n_blobs = 0 };
	uint64_t back[4] = { 9, 9, 9, 9 };
	int err = blob_put_raw(&set, name, wire, len);

	if (!err)
		err = blob_read(&set, 0, BLOB_REGS, back, sizeof(back), 1);
	if (err)
		CU_ASSERT_EQUAL(back[0], 9);	/* untouched on failure */
	blob_set_fini(&set);
	return err;
}

static int read_damaged(size_t offset, uint8_t value)
{
	uint8_t wire[256];
	size_t len = make_wire(wire);

	wire[offset] = value;
	return read_wire("vcpu0.regs", wire, len);
}

static void test_header_damage(void)
{
	uint8_t wire[256];
	size_t len = make_wire(wire);

	CU_ASSERT_EQUAL(read_wire("vcpu0.regs", wire, len), 0);
	CU_ASSERT_EQUAL(read_damaged(0, 'X'), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error_get(), "vcpu0.regs"));
	CU_ASSERT_EQUAL(read_damaged(4, BLOB_VERSION + 1), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error_get(), "version 2"));
	CU_ASSERT_EQUAL(read_damaged(6, BLOB_LAPIC), -EPROTO);
	CU_ASSERT_EQUAL(read_damaged(8, 31), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error_get(), "31 bytes"));
	CU_ASSERT_EQUAL(read_damaged(12, 0), -EPROTO);
	CU_ASSERT_EQUAL(read_damaged(12, 2), -EPROTO);
	CU_ASSERT_EQUAL(read_damaged(15, 0xff), -EPROTO);	/* 4 billion items */
}

static void test_lengths(void)
{
	uint8_t wire[256] = { 0 };
	size_t len = make_wire(wire);

	for (size_t cut = 0; cut < len; cut++)
		CU_ASSERT_EQUAL(read_wire("vcpu0.regs", wire, cut), -EPROTO);
	CU_ASSERT_EQUAL(read_wire("vcpu0.regs", wire, len + 1), -EPROTO);
	CU_ASSERT_EQUAL(read_wire("vcpu0.regs", wire, BLOB_MAX_LEN + 1), -EPROTO);
}

static void test_names(void)
{
	struct blob_set set = { .n_blobs = 0 };
	uint8_t wire[256];
	size_t len = make_wire(wire);
	char long_name[BLOB_NAME_LEN + 1];

	memset(long_name, 'a', BLOB_NAME_LEN);
	long_name[BLOB_NAME_LEN] = '\0';
	CU_ASSERT_EQUAL(blob_put_raw(&set, "", wire, len), -EPROTO);
	CU_ASSERT_EQUAL(blob_put_raw(&set, long_name, wire, len), -EPROTO);
	CU_ASSERT_EQUAL(blob_put_raw(&set, "vcpu0.regs", wire, len), 0);
	CU_ASSERT_EQUAL(blob_put_raw(&set, "vcpu0.regs", wire, len), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error_get(), "twice"));
	CU_ASSERT_EQUAL(read_wire("vcpu1.regs", wire, len), -EPROTO);	/* asked for is vcpu0's */
	CU_ASSERT_PTR_NOT_NULL(strstr(error_get(), "missing"));
	blob_set_fini(&set);
}

static void test_too_many(void)
{
	struct blob_set set = { .n_blobs = 0 };
	uint8_t wire[256];
	size_t len = make_wire(wire);
	char name[BLOB_NAME_LEN];

	for (unsigned int i = 0; i < BLOB_MAX_BLOBS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		CU_ASSERT_EQUAL(blob_put_raw(&set, name, wire, len), 0);
	}
	CU_ASSERT_EQUAL(blob_put_raw(&set, "one-more", wire, len), -ENOSPC);
	CU_ASSERT_EQUAL(set.n_blobs, BLOB_MAX_BLOBS);
	blob_set_fini(&set);
}

/* Whatever comes in: refused, or what is handed out lies within the blob. */
static void test_any_bytes(void)
{
	uint64_t random = 88172645463325252ull;
	unsigned int n_accepted = 0;
	uint8_t wire[256];

	for (unsigned int i = 0; i < 200000; i++) {
		struct blob_set set = { .n_blobs = 0 };
		const void *items = NULL;
		size_t n_items = 0, len = make_wire(wire), n_changes = i % 3;

		for (size_t change = 0; change < n_changes; change++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			wire[random % 16] = (uint8_t)(random >> 32);
			len = random >> 40 & 1 ? len : random >> 41 & 63;
		}
		if (!blob_put_raw(&set, "vcpu0.regs", wire, len) &&
		    !blob_open(&set, 0, BLOB_REGS, sizeof(regs), &items, &n_items)) {
			n_accepted++;
			if ((const uint8_t *)items != set.blobs[0].data + sizeof(struct blob_header) ||
			    sizeof(struct blob_header) + n_items * sizeof(regs) != set.blobs[0].data_len)
				CU_FAIL("items outside of the blob");
		}
		blob_set_fini(&set);
	}
	CU_ASSERT_TRUE(n_accepted >= 200000 / 3);	/* the undamaged ones at least */
}

static const struct check_case cases[] = {
	{ "what is put is read back", test_round_trip },
	{ "a sender cannot exceed a kind's limits", test_sender_limits },
	{ "each damaged header field is refused", test_header_damage },
	{ "each wrong length is refused", test_lengths },
	{ "bad, double and missing names are refused", test_names },
	{ "any bytes are refused or stay in bounds", test_any_bytes },
	{ "a full set takes no more", test_too_many },
};

int main(void)
{
	return check_run("blob", cases, sizeof(cases) / sizeof(cases[0]));
}
