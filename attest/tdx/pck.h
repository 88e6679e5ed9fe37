/* SPDX-License-Identifier: MIT */
/*
 * pck: which platform a PCK certificate (Provisioning Certification Key) is
 * for: the extension 1.2.840.113741.1.13.1, a sequence of pairs of an object
 * identifier below that one and a value (Intel SGX PCK Certificate and CRL
 * Profile Specification).
 */
#ifndef ATTEST_TDX_PCK_H
#define ATTEST_TDX_PCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TDX_PCK_EXTENSION "1.2.840.113741.1.13.1"
#define TDX_PCK_N_COMPONENTS 16u
#define TDX_FMSPC_LEN 6u
#define TDX_PCEID_LEN 2u

struct tdx_pck {
	uint8_t ppid[16];
	uint8_t component_svn[TDX_PCK_N_COMPONENTS];
	uint16_t pcesvn;
	uint8_t cpusvn[16];
	uint8_t pceid[TDX_PCEID_LEN];
	uint8_t fmspc[TDX_FMSPC_LEN];	/* family, model, stepping, platform, custom SKU */
	uint8_t sgx_type;		/* 0 standard, 1 scalable, 2 scalable with integrity */
	bool has_instance_id;		/* the next one, else zeros */
	uint8_t instance_id[16];
	bool has_configuration;		/* the next three, else false */
	bool dynamic_platform;
	bool cached_keys;
	bool smt_enabled;
};

/**
 * The extension's contents.  -EBADMSG: not DER, an entry that is missing, there twice or unknown, or bytes after it.
 * An unknown entry is refused because nobody here can say what it takes back.
 */
int tdx_pck_parse(const uint8_t *der, size_t len, struct tdx_pck *ret_pck);

#endif
