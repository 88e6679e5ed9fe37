// SPDX-License-Identifier: MIT
/* product: see product.h. */
#include "product.h"

#include <stdio.h>
#include <string.h>

#define N_PARTS 5

/* Byte of TCB_VERSION that holds each part, in the order of struct snp_tcb; -1: it is not there. */
static const struct {
	const char *name;
	int8_t bytes[N_PARTS];
} products[SNP_N_PRODUCTS] = {
	[SNP_MILAN] = { "Milan", { -1, 0, 1, 6, 7 } },
	[SNP_GENOA] = { "Genoa", { -1, 0, 1, 6, 7 } },
	[SNP_TURIN] = { "Turin", { 0, 1, 2, 3, 7 } },
};

static const struct {
	enum snp_product product;
	uint8_t family;
	uint8_t model_first;
	uint8_t model_last;
} cpuids[] = {
	{ SNP_MILAN, 0x19, 0x00, 0x0f },
	{ SNP_GENOA, 0x19, 0x10, 0x1f },
	{ SNP_GENOA, 0x19, 0xa0, 0xaf },	/* Bergamo and Siena, which Genoa's root endorses */
	{ SNP_TURIN, 0x1a, 0x00, 0x11 },
};

const char *snp_product_name(enum snp_product product)
{
	return products[product].name;
}

bool snp_product_from_name(const char *name, enum snp_product *ret_product)
{
	for (unsigned int i = 0; i < SNP_N_PRODUCTS; i++) {
		size_t len = strlen(products[i].name);

		if (strncmp(name, products[i].name, len) == 0 && (name[len] == '\0' || name[len] == '-')) {
			*ret_product = (enum snp_product)i;
			return true;
		}
	}
	return false;
}

bool snp_product_from_cpuid(uint8_t family, uint8_t model, enum snp_product *ret_product)
{
	for (size_t i = 0; i < sizeof(cpuids) / sizeof(cpuids[0]); i++) {
		if (cpuids[i].family != family || model < cpuids[i].model_first || model > cpuids[i].model_last)
			continue;
		*ret_product = cpuids[i].product;
		return true;
	}
	return false;
}

bool snp_tcb_decode(enum snp_product product, uint64_t raw, struct snp_tcb *ret_tcb)
{
	uint8_t parts[N_PARTS] = { 0 };

	for (int i = 0; i < N_PARTS; i++) {
		int shift = 8 * products[product].bytes[i];

		if (shift < 0)
			continue;
		parts[i] = (uint8_t)(raw >> shift);
		raw &= ~(UINT64_C(0xff) << shift);
	}
	if (raw)
		return false;
	*ret_tcb = (struct snp_tcb){ parts[0], parts[1], parts[2], parts[3], parts[4] };
	return true;
}

uint64_t snp_tcb_encode(enum snp_product product, const struct snp_tcb *tcb)
{
	const uint8_t parts[N_PARTS] = { tcb->fmc, tcb->boot_loader, tcb->tee, tcb->snp, tcb->microcode };
	uint64_t raw = 0;

	for (int i = 0; i < N_PARTS; i++)
		if (products[product].bytes[i] >= 0)
			raw |= (uint64_t)parts[i] << 8 * products[product].bytes[i];
	return raw;
}

bool snp_tcb_at_least(const struct snp_tcb *tcb, const struct snp_tcb *floor)
{
	return tcb->fmc >= floor->fmc && tcb->boot_loader >= floor->boot_loader && tcb->tee >= floor->tee &&
	       tcb->snp >= floor->snp && tcb->microcode >= floor->microcode;
}

bool snp_tcb_equal(const struct snp_tcb *a, const struct snp_tcb *b)
{
	return snp_tcb_at_least(a, b) && snp_tcb_at_least(b, a);
}

const char *snp_tcb_text(enum snp_product product, const struct snp_tcb *tcb, char ret_text[SNP_TCB_TEXT_LEN])
{
	char fmc[16] = "";

	if (products[product].bytes[0] >= 0)
		snprintf(fmc, sizeof(fmc), "FMC %u, ", tcb->fmc);
	snprintf(ret_text, SNP_TCB_TEXT_LEN, "%sboot loader %u, TEE %u, SNP %u, microcode %u", fmc, tcb->boot_loader,
		 tcb->tee, tcb->snp, tcb->microcode);
	return ret_text;
}
