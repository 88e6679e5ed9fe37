/* SPDX-License-Identifier: MIT */
/*
 * bundle: the container in which evidence travels.  "gmeb", u8 version (1), u8
 * kind, then items: u8 type, u16 length, bytes.  Types ascend, so each is there
 * at most once and a bundle has one encoding.  Which items a kind must have and
 * may have is a table; anything else is malformed.  What is in them is judged by
 * the kind's own verifier.
 *
 * Evidence by a pinned key is no bundle: it is the binding digest alone.
 */
#ifndef ATTEST_BUNDLE_H
#define ATTEST_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define BUNDLE_MAX_LEN WIRE_EVIDENCE_MAX
#define BUNDLE_HEADER_LEN 6u
#define BUNDLE_ITEM_HEADER_LEN 3u

enum bundle_kind {
	BUNDLE_SOFTWARE = 1,
	BUNDLE_SNP,
	BUNDLE_TDX,
	BUNDLE_TPM,
	BUNDLE_N_KINDS,
};

enum bundle_type {
	BUNDLE_SOFTWARE_KEY = 1,	/* Ed25519 public key (32) */
	BUNDLE_SOFTWARE_SIGNATURE,	/* of the binding digest (64) */
	BUNDLE_SNP_EVIDENCE,		/* report and certificates: snp/evidence.h */
	BUNDLE_TDX_QUOTE,
	BUNDLE_TPM_QUOTE,		/* TPMS_ATTEST */
	BUNDLE_TPM_SIGNATURE,		/* TPMT_SIGNATURE */
	BUNDLE_TPM_KEY,			/* TPMT_PUBLIC of the attestation key */
	BUNDLE_TPM_CERTIFICATE,		/* the attestation key's, DER; may be absent */
	BUNDLE_TPM_PCRS,		/* the quoted PCRs' values, SHA-256 bank, in order */
	BUNDLE_TPM_IMA_LOG,		/* binary_runtime_measurements; may be absent: empty */
	BUNDLE_TPM_LONG_LOG,		/* instead: u32 length and SHA-256 of one that follows the evidence */
	BUNDLE_N_TYPES,
};

#define BUNDLE_LONG_LOG_LEN (4u + 32u)

struct bundle_item {
	const uint8_t *data;	/* NULL: not there */
	size_t len;
};

struct bundle {
	enum bundle_kind kind;
	struct bundle_item items[BUNDLE_N_TYPES];	/* by type */
};

/** "software": static, "?" for none of them. */
const char *bundle_kind_name(enum bundle_kind kind);
/** @ret_bundle points into @bytes.  -EBADMSG: no bundle. */
int bundle_parse(const uint8_t *bytes, size_t len, struct bundle *ret_bundle);
/** Does @bytes announce a log that follows it?  Its length and SHA-256. */
bool bundle_long_log(const uint8_t *bytes, size_t len, uint32_t *ret_log_len, uint8_t ret_hash[32]);
/**
 * Write the items that are there.  Capacity in @len, length out.
 * -EINVAL: not the kind's items; -ENOBUFS: more than the capacity or BUNDLE_MAX_LEN.
 */
int bundle_write(const struct bundle *bundle, uint8_t *ret_bytes, size_t *len);

#endif
