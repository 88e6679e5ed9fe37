/* SPDX-License-Identifier: MIT */
/*
 * policy: what evidence is believed, from a file of libconfig's syntax with a
 * section for each kind; gmem-policy(5).  Secure defaults: a kind without a
 * section is refused, debugging is refused, and a section that would believe
 * any program, or any firmware however old, is an error unless a switch says so
 * by its name.  What is not known is an error too, with its line.
 */
#ifndef ATTEST_POLICY_H
#define ATTEST_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest.h"
#include "bundle.h"
#include "snp/policy.h"
#include "software.h"
#include "tdx/policy.h"
#include "tpm/policy.h"

#define ATTEST_POLICY_MAX_LEN (64u * 1024u)
#define ATTEST_POLICY_ERROR_LEN 280u
#define ATTEST_POLICY_PINNED 1u		/* bit in kinds; the others are 1 << enum bundle_kind */
#define PINNED_MAX_KEYS 8u

struct pinned_policy {
	size_t n_keys;		/* 0: none is believed */
	uint8_t keys[PINNED_MAX_KEYS][ATTEST_KEY_LEN];
};

struct attest_policy {
	uint32_t kinds;		/* that have a section */
	struct pinned_policy pinned;
	struct software_policy software;
	struct snp_policy snp;
	struct tdx_policy tdx;
	struct tpm_policy tpm;
};

/** Refuses everything; what sections do not say is as here. */
void policy_init(struct attest_policy *policy);
void policy_fini(struct attest_policy *policy);
/**
 * Read @text, which need not end with a NUL.  On success fini.  -EINVAL with a sentence in @ret_error, which begins
 * with "line N: " where the fault has one (syntax: and with what stands there); -E2BIG, -ENOMEM likewise.
 */
int policy_load(const char *text, size_t len, struct attest_policy *ret_policy,
		char ret_error[ATTEST_POLICY_ERROR_LEN]);
/** Of the file @path; -errno and a sentence, without the path, also if it is a folder or cannot be read. */
int policy_load_file(const char *path, struct attest_policy *ret_policy, char ret_error[ATTEST_POLICY_ERROR_LEN]);
/** The names of all entries, "snp.debug", in order; NULL from the last on.  Static. */
const char *policy_entry_name(size_t index);

#endif
