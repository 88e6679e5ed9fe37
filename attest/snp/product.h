/* SPDX-License-Identifier: MIT */
/*
 * product: what differs between AMD's processors: their names, their CPUID
 * numbers and the layout of TCB_VERSION (SEV-SNP firmware ABI, document 56860).
 */
#ifndef ATTEST_SNP_PRODUCT_H
#define ATTEST_SNP_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum snp_product { SNP_MILAN = 0, SNP_GENOA = 1, SNP_TURIN = 2, SNP_N_PRODUCTS = 3 };

/* TCB_VERSION, security version numbers of the parts of the platform's firmware. */
struct snp_tcb {
	uint8_t fmc;		/* Turin only, else 0 */
	uint8_t boot_loader;
	uint8_t tee;
	uint8_t snp;
	uint8_t microcode;
};

/* "Milan": static. */
const char *snp_product_name(enum snp_product product);
/* The product of a certificate's name ("Milan-B0"): the name, or the name and a stepping.  false: none of them. */
bool snp_product_from_name(const char *name, enum snp_product *ret_product);
/* By CPUID leaf 1, extended and base parts added up: family 0x19, model 0x01 is Milan.  false: none of them. */
bool snp_product_from_cpuid(uint8_t family, uint8_t model, enum snp_product *ret_product);
/* false: reserved bytes are not zero. */
bool snp_tcb_decode(enum snp_product product, uint64_t raw, struct snp_tcb *ret_tcb);
uint64_t snp_tcb_encode(enum snp_product product, const struct snp_tcb *tcb);
/* Is each part at least what @floor has? */
bool snp_tcb_at_least(const struct snp_tcb *tcb, const struct snp_tcb *floor);
bool snp_tcb_equal(const struct snp_tcb *a, const struct snp_tcb *b);

#define SNP_TCB_TEXT_LEN 64u
/* "boot loader 4, TEE 0, SNP 24, microcode 219"; returns @ret_text. */
const char *snp_tcb_text(enum snp_product product, const struct snp_tcb *tcb, char ret_text[SNP_TCB_TEXT_LEN]);

#endif
