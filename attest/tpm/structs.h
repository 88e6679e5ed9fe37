/* SPDX-License-Identifier: MIT */
/*
 * structs: the three structures of a TPM 2.0 that a quote needs, taken apart and
 * nothing believed (Trusted Platform Module Library, part 2; big endian).  Only
 * what an attestation key of ours is: ECDSA on P-256 with SHA-256.
 */
#ifndef ATTEST_TPM_STRUCTS_H
#define ATTEST_TPM_STRUCTS_H

#include <stddef.h>
#include <stdint.h>

#define TPM_HASH_LEN 32u
#define TPM_N_PCRS 11u			/* quoted, from 0 on: firmware and boot loader 0 to 9, IMA 10 */
#define TPM_IMA_PCR 10u
#define TPM_PCR_MASK ((1u << TPM_N_PCRS) - 1u)
#define TPM_MAX_DATA 64u

#define TPM_ALG_SHA256 0x000bu

/* Object attributes. */
#define TPM_FIXED_TPM (1u << 1)
#define TPM_FIXED_PARENT (1u << 4)
#define TPM_SENSITIVE_DATA_ORIGIN (1u << 5)
#define TPM_RESTRICTED (1u << 16)
#define TPM_DECRYPT (1u << 17)
#define TPM_SIGN (1u << 18)

struct tpm_public {		/* TPMT_PUBLIC */
	uint32_t attributes;
	uint8_t key[64];	/* x || y */
};

struct tpm_quote {		/* TPMS_ATTEST of type quote */
	uint8_t data[TPM_MAX_DATA];	/* what the caller asked to have signed with it */
	size_t data_len;
	uint64_t clock_ms;
	uint32_t reset_count, restart_count;
	uint64_t firmware_version;
	uint32_t selection;	/* bit (1 << PCR), of the SHA-256 bank */
	uint8_t digest[TPM_HASH_LEN];	/* SHA-256 of the selected PCRs' values */
};

/** -EBADMSG: not that structure, exactly; -ENOTSUP: another algorithm, curve or bank. */
int tpm_public_parse(const uint8_t *bytes, size_t len, struct tpm_public *ret_public);
int tpm_quote_parse(const uint8_t *bytes, size_t len, struct tpm_quote *ret_quote);
/** r || s */
int tpm_signature_parse(const uint8_t *bytes, size_t len, uint8_t ret_signature[64]);

#endif
