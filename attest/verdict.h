/* SPDX-License-Identifier: MIT */
/*
 * verdict: what a verifier found, rule by rule, in words.  Each rule that a
 * policy has is in it once, in the order in which it was judged; a rule that
 * could not be judged because an earlier one failed is in it as such.  The
 * evidence is believed if at least one rule held and none failed.
 */
#ifndef ATTEST_VERDICT_H
#define ATTEST_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#define VERDICT_MAX_RULES 64u
#define VERDICT_NAME_LEN 40u
#define VERDICT_TEXT_LEN 200u

enum verdict_outcome {
	VERDICT_HOLDS = 1,
	VERDICT_FAILS,
	VERDICT_NOT_JUDGED,	/* needs something that an earlier rule found wrong */
	VERDICT_NOT_ASKED,	/* the policy leaves it open; the text says what was seen */
};

struct verdict_rule {
	char name[VERDICT_NAME_LEN];	/* "snp.guest.debug"; docs/attestation.md says which entry of a policy asks for it */
	char text[VERDICT_TEXT_LEN];	/* a sentence: what was asked, what was found */
	enum verdict_outcome outcome;
};

struct verdict {
	struct verdict_rule rules[VERDICT_MAX_RULES];
	size_t n_rules;
};

void verdict_init(struct verdict *verdict);

/* More than VERDICT_MAX_RULES make the last one a failure that says so; a text too long is cut; what is not printable is '?'. */
void verdict_add(struct verdict *verdict, const char *name, enum verdict_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* HOLDS or FAILS as @holds says; returns @holds. */
bool verdict_judge(struct verdict *verdict, const char *name, bool holds, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

bool verdict_believed(const struct verdict *verdict);

/* The first rule that fails, NULL if there is none; the verdict's. */
const struct verdict_rule *verdict_first_failure(const struct verdict *verdict);

/* NULL if there is no such rule; the verdict's. */
const struct verdict_rule *verdict_find(const struct verdict *verdict, const char *name);

#endif
