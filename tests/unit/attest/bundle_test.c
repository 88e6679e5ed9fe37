/* SPDX-License-Identifier: MIT */
/* bundle.c: one encoding per bundle, and nothing else is one. */
#include "check.h"

#include <errno.h>

#include <attest/bundle.h>

static const uint8_t data[BUNDLE_MAX_LEN] = { 1, 2, 3 };

static struct bundle make(enum bundle_kind kind)
{
	static const enum bundle_type types[][7] = {
		[BUNDLE_SOFTWARE] = { BUNDLE_SOFTWARE_KEY, BUNDLE_SOFTWARE_SIGNATURE },
		[BUNDLE_SNP] = { BUNDLE_SNP_EVIDENCE },
		[BUNDLE_TDX] = { BUNDLE_TDX_QUOTE },
		[BUNDLE_TPM] = { BUNDLE_TPM_QUOTE, BUNDLE_TPM_SIGNATURE, BUNDLE_TPM_KEY, BUNDLE_TPM_CERTIFICATE,
				 BUNDLE_TPM_PCRS, BUNDLE_TPM_IMA_LOG },
	};
	struct bundle bundle = { .kind = kind };

	for (size_t i = 0; types[kind][i]; i++)
		bundle.items[types[kind][i]] = (struct bundle_item){ data + i, 3 + i };
	return bundle;
}

static void what_is_written_comes_back(void)
{
	for (enum bundle_kind kind = BUNDLE_SOFTWARE; kind < BUNDLE_N_KINDS; kind++) {
		struct bundle bundle = make(kind), again;
		uint8_t bytes[512];
		size_t len = sizeof(bytes);

		CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, bytes, &len), 0);
		CU_ASSERT_EQUAL_FATAL(bundle_parse(bytes, len, &again), 0);
		CU_ASSERT_EQUAL(again.kind, kind);
		for (size_t type = 0; type < BUNDLE_N_TYPES; type++) {
			CU_ASSERT_EQUAL(again.items[type].len, bundle.items[type].len);
			CU_ASSERT_EQUAL(!again.items[type].data, !bundle.items[type].data);
			if (bundle.items[type].data)
				CU_ASSERT_EQUAL(memcmp(again.items[type].data, bundle.items[type].data,
						       bundle.items[type].len), 0);
		}
		/* cut anywhere, or longer; without its last item, a log, a TPM's is still one */
		for (size_t cut = 0; cut < len; cut++)
			CU_ASSERT_EQUAL(bundle_parse(bytes, cut, &again),
					kind == BUNDLE_TPM && cut == len - 3 - 8 ? 0 : -EBADMSG);
		bytes[len] = 0;
		CU_ASSERT_EQUAL(bundle_parse(bytes, len + 1, &again), -EBADMSG);
		/* too little room */
		for (size_t room = 0; room < len; room++) {
			size_t left = room;

			CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &left), -ENOBUFS);
		}
	}
}

/* For each kind and type: is the bundle with that item, or without it, one? */
static void the_kind_says_which_items(void)
{
	CHECK_LOOP_BEGIN();
	for (enum bundle_kind kind = BUNDLE_SOFTWARE; kind < BUNDLE_N_KINDS; kind++) {
		for (size_t type = 1; type < BUNDLE_N_TYPES; type++) {
			struct bundle bundle = make(kind);
			bool there = bundle.items[type].data;
			bool optional = type == BUNDLE_TPM_CERTIFICATE || type == BUNDLE_TPM_IMA_LOG;
			uint8_t bytes[512];
			size_t len = sizeof(bytes);

			if (type == BUNDLE_TPM_LONG_LOG)	/* see below */
				continue;
			bundle.items[type] = there ? (struct bundle_item){ 0 } : (struct bundle_item){ data, 1 };
			CHECK_LOOP(bundle_write(&bundle, bytes, &len) == (there && optional ? 0 : -EINVAL),
				   "kind %d type %zu", kind, type);
			bundle.items[type] = (struct bundle_item){ data, 0 };
			CHECK_LOOP(bundle_write(&bundle, bytes, &len) == -EINVAL, "kind %d type %zu empty", kind, type);
		}
	}
	CHECK_LOOP_END();
}

/* Instead of a log its length and hash: nothing shorter or longer, not beside a log, not in other kinds. */
static void a_long_log_is_announced(void)
{
	static const uint8_t announced[BUNDLE_LONG_LOG_LEN + 1] = { 0x78, 0x56, 0x34, 0x12, 0xaa, [35] = 0xbb };
	uint8_t bytes[512], hash[32];
	size_t len = sizeof(bytes);
	uint32_t log_len = 0;
	struct bundle bundle = make(BUNDLE_TPM);

	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, bytes, &len), 0);
	CU_ASSERT_FALSE(bundle_long_log(bytes, len, &log_len, hash));
	bundle.items[BUNDLE_TPM_LONG_LOG] = (struct bundle_item){ announced, BUNDLE_LONG_LOG_LEN };
	CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &len), -EINVAL);
	bundle.items[BUNDLE_TPM_IMA_LOG] = (struct bundle_item){ 0 };
	for (size_t item_len = 1; item_len <= sizeof(announced); item_len++) {
		bundle.items[BUNDLE_TPM_LONG_LOG].len = item_len;
		len = sizeof(bytes);
		CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &len), item_len == BUNDLE_LONG_LOG_LEN ? 0 : -EINVAL);
		if (item_len != BUNDLE_LONG_LOG_LEN)
			continue;
		CU_ASSERT_TRUE(bundle_long_log(bytes, len, &log_len, hash));
		CU_ASSERT_EQUAL(log_len, 0x12345678);
		CU_ASSERT_EQUAL(hash[0], 0xaa);
		CU_ASSERT_EQUAL(hash[31], 0xbb);
		CU_ASSERT_FALSE(bundle_long_log(bytes, len - 1, &log_len, hash));
	}
	for (enum bundle_kind kind = BUNDLE_SOFTWARE; kind < BUNDLE_TPM; kind++) {
		bundle = make(kind);
		bundle.items[BUNDLE_TPM_LONG_LOG] = (struct bundle_item){ announced, BUNDLE_LONG_LOG_LEN };
		CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &len), -EINVAL);
	}
}

static void other_bytes_are_none(void)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t len;
		int ret;
	} cases[] = {
		{ "good", "gmeb\1\1\1\1\0k\2\1\0s", 14, 0 },
		{ "magic", "gmeB\1\1\1\1\0k\2\1\0s", 14, -EBADMSG },
		{ "version", "gmeb\2\1\1\1\0k\2\1\0s", 14, -EBADMSG },
		{ "kind 0", "gmeb\1\0\1\1\0k\2\1\0s", 14, -EBADMSG },
		{ "kind 5", "gmeb\1\5\1\1\0k\2\1\0s", 14, -EBADMSG },
		{ "another kind's items", "gmeb\1\2\1\1\0k\2\1\0s", 14, -EBADMSG },
		{ "order", "gmeb\1\1\2\1\0s\1\1\0k", 14, -EBADMSG },
		{ "twice", "gmeb\1\1\1\1\0k\1\1\0k\2\1\0s", 18, -EBADMSG },
		{ "type 0", "gmeb\1\1\0\1\0k\1\1\0k\2\1\0s", 18, -EBADMSG },
		{ "type 12", "gmeb\1\1\1\1\0k\2\1\0s\14\1\0x", 18, -EBADMSG },
		{ "empty item", "gmeb\1\1\1\0\0\2\1\0s", 13, -EBADMSG },
		{ "item beyond the end", "gmeb\1\1\1\1\0k\2\2\0s", 14, -EBADMSG },
	};
	struct bundle bundle;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = bundle_parse((const uint8_t *)cases[i].bytes, cases[i].len, &bundle);

		if (ret != cases[i].ret)
			fprintf(stderr, "\n%s: %d ", cases[i].what, ret);
		CU_ASSERT_EQUAL(ret, cases[i].ret);
	}
}

static void evidence_has_a_longest(void)
{
	static uint8_t bytes[2 * BUNDLE_MAX_LEN];
	struct bundle bundle = { .kind = BUNDLE_TDX }, again;
	size_t len = sizeof(bytes);

	bundle.items[BUNDLE_TDX_QUOTE] = (struct bundle_item){ data, BUNDLE_MAX_LEN - 9 };
	CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &len), 0);
	CU_ASSERT_EQUAL(len, BUNDLE_MAX_LEN);
	CU_ASSERT_EQUAL(bundle_parse(bytes, len, &again), 0);
	bundle.items[BUNDLE_TDX_QUOTE].len++;
	len = sizeof(bytes);
	CU_ASSERT_EQUAL(bundle_write(&bundle, bytes, &len), -ENOBUFS);
	bytes[7]++;	/* the same in bytes */
	CU_ASSERT_EQUAL(bundle_parse(bytes, BUNDLE_MAX_LEN + 1, &again), -EBADMSG);
}

int main(void)
{
	static const struct check checks[] = {
		{ "what is written comes back", what_is_written_comes_back },
		{ "the kind says which items", the_kind_says_which_items },
		{ "a long log is announced", a_long_log_is_announced },
		{ "other bytes are none", other_bytes_are_none },
		{ "evidence has a longest", evidence_has_a_longest },
		{ NULL, NULL },
	};

	return check_main("bundle", checks);
}
