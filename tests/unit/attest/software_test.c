/* SPDX-License-Identifier: MIT */
/* software.c: off unless switched on by name, and loud about what it is worth. */
#include "check.h"

#include <errno.h>

#include <attest/software.h>

static struct signkey *key, *other;
static struct software_policy policy;
static uint8_t digest[WIRE_DIGEST_LEN], evidence[BUNDLE_MAX_LEN];
static size_t len;
static struct verdict verdict;

static void set_up(void)
{
	memset(digest, 0x5a, sizeof(digest));
	memset(&policy, 0, sizeof(policy));
	policy.allow = true;
	policy.n_keys = 1;
	memcpy(policy.keys[0], signkey_public(key), SIGNKEY_LEN);
	len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(software_make(key, digest, evidence, &len), 0);
}

static bool believed(void)
{
	struct bundle bundle;

	verdict_init(&verdict);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	software_verify(&bundle, &policy, digest, &verdict);
	return verdict_believed(&verdict);
}

static void believed_if_switched_on(void)
{
	set_up();
	CU_ASSERT_TRUE(believed());
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_find(&verdict, "software.allow")->text,
				      "ATTESTS NOTHING ABOUT THE MACHINE"));
}

static void refused_by(const char *rule)
{
	CU_ASSERT_FALSE(believed());
	CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, rule);
}

static void refused_without_the_switch(void)
{
	set_up();
	policy.allow = false;
	refused_by("software.allow");
}

static void refused_with_a_key_not_named(void)
{
	set_up();
	len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(software_make(other, digest, evidence, &len), 0);
	refused_by("software.keys");
	set_up();
	policy.n_keys = 0;
	refused_by("software.keys");
}

static void bound_to_this_digest(void)
{
	set_up();
	CHECK_LOOP_BEGIN();
	for (size_t bit = 0; bit < 8 * sizeof(digest); bit++) {
		digest[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_LOOP(!believed() && !strcmp(verdict_first_failure(&verdict)->name, "software.signature"),
			   "bit %zu", bit);
		digest[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_LOOP_END();
	evidence[len - 1] ^= 1;
	refused_by("software.signature");
}

static void of_wrong_length(void)
{
	struct bundle bundle = { .kind = BUNDLE_SOFTWARE };
	static const uint8_t bytes[65];

	set_up();
	bundle.items[BUNDLE_SOFTWARE_KEY] = (struct bundle_item){ signkey_public(key), SIGNKEY_LEN - 1 };
	bundle.items[BUNDLE_SOFTWARE_SIGNATURE] = (struct bundle_item){ bytes, 65 };
	verdict_init(&verdict);
	software_verify(&bundle, &policy, digest, &verdict);
	CU_ASSERT_EQUAL(verdict_find(&verdict, "software.keys")->outcome, VERDICT_FAILS);
	CU_ASSERT_EQUAL(verdict_find(&verdict, "software.signature")->outcome, VERDICT_FAILS);
}

static void needs_room(void)
{
	set_up();
	len = 10;
	CU_ASSERT_EQUAL(software_make(key, digest, evidence, &len), -ENOBUFS);
}

int main(void)
{
	static const struct check checks[] = {
		{ "believed if switched on", believed_if_switched_on },
		{ "refused without the switch", refused_without_the_switch },
		{ "refused with a key not named", refused_with_a_key_not_named },
		{ "bound to this digest", bound_to_this_digest },
		{ "of wrong length", of_wrong_length },
		{ "needs room", needs_room },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init() || signkey_generate(&key) || signkey_generate(&other))
		return EXIT_FAILURE;
	ret = check_main("software", checks);
	signkey_free(key);
	signkey_free(other);
	return ret;
}
