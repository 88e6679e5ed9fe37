/* SPDX-License-Identifier: MIT */
/*
 * policy: what a verifier asks of SEV-SNP evidence, beyond that it is genuine.
 * snp_policy_init() gives the secure defaults, under which nothing is believed
 * until a measurement and a TCB floor are given.
 */
#ifndef ATTEST_SNP_POLICY_H
#define ATTEST_SNP_POLICY_H

#include "product.h"
#include "report.h"

#define SNP_MAX_MEASUREMENTS 16u
#define SNP_MAX_EXPECTED_LEN 64u

/* Of a bit: whatever it is, must be 0, must be 1. */
enum snp_want { SNP_ANY = 0, SNP_CLEAR, SNP_SET };

struct snp_expected {		/* of a field of fixed length: its first bytes count */
	bool asked;
	uint8_t bytes[SNP_MAX_EXPECTED_LEN];
};

struct snp_floors {		/* lowest TCB_VERSION, part by part */
	bool given;		/* false: nothing of this product is believed */
	struct snp_tcb reported, committed, current, launch;
};

struct snp_policy {
	uint32_t min_version;			/* of the report; 2. From 3 on it names its processor */
	struct snp_floors floors[SNP_N_PRODUCTS];
	bool vlek;				/* false. A VLEK may sign instead of the chip's own key */
	bool masked_chip;			/* false. With a VLEK, CHIP_ID may be zeros */
	bool require_crl;			/* false. Without a revocation list nothing is believed */
	struct snp_abi min_current, min_committed;	/* 0.0.0 */
	uint8_t min_guest_abi_major, min_guest_abi_minor;	/* 0. That the guest's own policy asks for */

	/* the guest's policy */
	enum snp_want debug, migrate_ma, cxl;	/* SNP_CLEAR */
	enum snp_want smt, single_socket, mem_aes_256, rapl_dis, ciphertext_hiding, page_swap_disable;	/* SNP_ANY */
	/* the platform */
	enum snp_want platform_smt, platform_tsme, platform_ecc, platform_rapl_dis;			/* SNP_ANY */
	enum snp_want platform_ciphertext_hiding, platform_alias_check, platform_tio;

	uint32_t vmpls;				/* bit (1 << VMPL): 0 only */
	bool any_measurement;			/* false. Software is believed whatever it is: for development */
	size_t n_measurements;			/* 0: none is believed */
	uint8_t measurements[SNP_MAX_MEASUREMENTS][SNP_MEASUREMENT_LEN];
	uint32_t min_guest_svn;			/* 0 */
	struct snp_expected host_data, id_key_digest, author_key_digest, family_id, image_id, chip_id, csp_id;
	uint64_t launch_mitigations, current_mitigations;	/* bits that must be set; 0. Needs report version 5 */
};

void snp_policy_init(struct snp_policy *policy);
/* One floor for all four TCB versions of @product; its FMC counts for Turin only. */
void snp_policy_set_floor(struct snp_policy *policy, enum snp_product product, const struct snp_tcb *floor);
/* false: there are SNP_MAX_MEASUREMENTS already. */
bool snp_policy_add_measurement(struct snp_policy *policy, const uint8_t measurement[SNP_MEASUREMENT_LEN]);
/* @len is the field's, at most SNP_MAX_EXPECTED_LEN; csp_id: a string with its NUL. */
void snp_policy_expect(struct snp_expected *expected, const void *bytes, size_t len);

#endif
