/* SPDX-License-Identifier: MIT */
/*
 * report: AMD's ATTESTATION_REPORT, versions 2, 3 and 5, as numbers (SEV-SNP
 * firmware ABI, document 56860, "Attestation").  What it says is not judged
 * here, only whether it is one.
 */
#ifndef ATTEST_SNP_REPORT_H
#define ATTEST_SNP_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNP_REPORT_LEN 1184u
#define SNP_SIGNED_LEN 672u		/* the first bytes of a report, which its signature covers */
#define SNP_REPORT_DATA_LEN 64u
#define SNP_MEASUREMENT_LEN 48u
#define SNP_HOST_DATA_LEN 32u
#define SNP_DIGEST_LEN 48u		/* of ID and author keys: SHA-384 */
#define SNP_ID_LEN 16u			/* family and image id */
#define SNP_REPORT_ID_LEN 32u
#define SNP_CHIP_ID_LEN 64u
#define SNP_SCALAR_LEN 72u		/* r and s, little endian */

/* GUEST_POLICY: what the guest's owner allowed its host, bit numbers; below them the lowest ABI version. */
enum snp_policy_bit {
	SNP_POLICY_SMT = 16,			/* may run where SMT is on */
	SNP_POLICY_ONE = 17,			/* reserved, 1 */
	SNP_POLICY_MIGRATE_MA = 18,		/* may have a migration agent */
	SNP_POLICY_DEBUG = 19,			/* its memory may be decrypted for the host */
	SNP_POLICY_SINGLE_SOCKET = 20,		/* may be active on one socket only */
	SNP_POLICY_CXL = 21,			/* CXL may have devices or memory */
	SNP_POLICY_MEM_AES_256 = 22,		/* AES-256-XTS is required */
	SNP_POLICY_RAPL_DIS = 23,		/* energy counters must be off */
	SNP_POLICY_CIPHERTEXT_HIDING = 24,	/* ciphertext in DRAM must be hidden */
	SNP_POLICY_PAGE_SWAP_DISABLE = 25,	/* pages may not be moved or swapped by the firmware */
};
#define SNP_POLICY_KNOWN ((UINT64_C(1) << (SNP_POLICY_PAGE_SWAP_DISABLE + 1)) - 1)

/* PLATFORM_INFO, bit numbers. */
enum snp_platform_bit {
	SNP_PLATFORM_SMT = 0,
	SNP_PLATFORM_TSME = 1,
	SNP_PLATFORM_ECC = 2,
	SNP_PLATFORM_RAPL_DIS = 3,
	SNP_PLATFORM_CIPHERTEXT_HIDING = 4,
	SNP_PLATFORM_ALIAS_CHECK = 5,		/* no memory aliases were found since the last reset */
	SNP_PLATFORM_TIO = 7,
};
#define SNP_PLATFORM_KNOWN UINT64_C(0xbf)

enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };
#define SNP_ALGORITHM_ECDSA_P384_SHA384 1u

struct snp_abi {		/* version of the SNP firmware's interface */
	uint8_t major;
	uint8_t minor;
	uint8_t build;
};

struct snp_report {
	uint32_t version;
	uint32_t guest_svn;
	uint64_t policy;			/* bits of enum snp_policy_bit */
	uint8_t family_id[SNP_ID_LEN];
	uint8_t image_id[SNP_ID_LEN];
	uint32_t vmpl;				/* as it was asked for, 0 to 3 */
	uint32_t signature_algorithm;
	uint64_t current_tcb;			/* snp_tcb_decode() */
	uint64_t platform_info;			/* bits of enum snp_platform_bit */
	bool author_key_enabled;
	bool mask_chip_key;
	uint8_t signing_key;			/* enum snp_signing_key, or reserved */
	uint8_t report_data[SNP_REPORT_DATA_LEN];
	uint8_t measurement[SNP_MEASUREMENT_LEN];
	uint8_t host_data[SNP_HOST_DATA_LEN];
	uint8_t id_key_digest[SNP_DIGEST_LEN];
	uint8_t author_key_digest[SNP_DIGEST_LEN];
	uint8_t report_id[SNP_REPORT_ID_LEN];
	uint8_t report_id_ma[SNP_REPORT_ID_LEN];	/* the migration agent's; all ones: there is none */
	uint64_t reported_tcb;
	bool has_cpuid;				/* version 3 and later */
	uint8_t cpuid_family;
	uint8_t cpuid_model;
	uint8_t cpuid_stepping;
	uint8_t chip_id[SNP_CHIP_ID_LEN];	/* zeros: masked */
	uint64_t committed_tcb;
	struct snp_abi current;
	struct snp_abi committed;
	uint64_t launch_tcb;
	bool has_mitigations;			/* version 5 and later */
	uint64_t launch_mitigations;
	uint64_t current_mitigations;
	uint8_t r[SNP_SCALAR_LEN];
	uint8_t s[SNP_SCALAR_LEN];
};

/* The version of what may be a report, without any other check; 0 if there are not even 4 bytes. */
uint32_t snp_report_version(const uint8_t *bytes, size_t len);
bool snp_report_version_known(uint32_t version);

/*
 * Exactly SNP_REPORT_LEN bytes.  -ENOTSUP: a version not known here, -EBADMSG: another length, or something that must
 * be zero is not; @ret_why (static) then says in which field.
 */
int snp_report_parse(const uint8_t *bytes, size_t len, struct snp_report *ret_report, const char **ret_why);

#endif
