/* SPDX-License-Identifier: MIT */
/* policy_int: between policy.c, which walks the file, policy_table.c, which knows the entries, and policy_set.c. */
#ifndef ATTEST_POLICY_INT_H
#define ATTEST_POLICY_INT_H

#include <libconfig.h>

#include "policy.h"

struct policy_target;

struct policy_entry {
	const char *name;	/* "snp.debug" */
	/** 0, or -EINVAL with the sentence set. */
	int (*set)(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
	size_t offset;		/* of the field in struct attest_policy */
	size_t size;		/* of a number's field, or bytes of a value */
	size_t n_offset;	/* lists: of their count */
	uint64_t max;		/* of a number, or of a list's length */
};

struct policy_target {
	struct attest_policy *policy;
	char *error;		/* ATTEST_POLICY_ERROR_LEN */
};

/** Ended by a NULL name. */
extern const struct policy_entry policy_entries[];

/** "line N: " and the sentence; returns -EINVAL. */
__attribute__((format(printf, 3, 4)))
int policy_complain(struct policy_target *target, const config_setting_t *setting, const char *format, ...);

/** "line N: `what stands there`: " and the sentence; at most 60 characters of the line, only printable ones. */
__attribute__((format(printf, 4, 5)))
int policy_complain_line(struct policy_target *target, const char *text, unsigned int line, const char *format, ...);
/** The same for what libconfig says, with what to do. */
int policy_complain_syntax(struct policy_target *target, const char *text, unsigned int line, const char *what);

/**
 * Before libconfig: files that it would open, numbers that it would cut short, escapes that it does not know,
 * comments and strings without an end, brackets that do not match.
 */
int policy_check_text(struct policy_target *target, const char *text);

int policy_set_bool(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** An integer, or a string "0x..." for masks. */
int policy_set_number(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** Hex strings into an array of values. */
int policy_set_hexes(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** "clear", "set" or "any". */
int policy_set_want(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
int policy_set_bit(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** Integers as bits (1 << n). */
int policy_set_mask(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** Names of TCB statuses. */
int policy_set_statuses(struct policy_target *target, const struct policy_entry *entry,
			const config_setting_t *setting);
/** One hex string of exactly entry->size bytes. */
int policy_set_expected(struct policy_target *target, const struct policy_entry *entry,
			const config_setting_t *setting);
int policy_set_csp(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** "1.55.21"; entry->size parts of one byte each. */
int policy_set_version(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** One part of all four floors of a product. */
int policy_set_floor(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** Hex strings, or "any". */
int policy_set_tdx(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
int policy_set_pcr(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);
/** One certificate in PEM. */
int policy_set_ca(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting);

#endif
