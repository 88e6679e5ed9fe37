// SPDX-License-Identifier: MIT
/* trust: see trust.h. */
#include "trust.h"

#include <errno.h>
#include <string.h>

static const char *const roots[SNP_N_PRODUCTS] = {
	[SNP_MILAN] =
#include "roots/milan.inc"
	,
	[SNP_GENOA] =
#include "roots/genoa.inc"
	,
	[SNP_TURIN] =
#include "roots/turin.inc"
	,
};

void snp_trust_init_empty(struct snp_trust *ret_trust)
{
	memset(ret_trust, 0, sizeof(*ret_trust));
}

int snp_trust_init(struct snp_trust *ret_trust)
{
	struct snp_trust trust;
	size_t n = 0;
	int ret;

	snp_trust_init_empty(&trust);
	for (unsigned int i = 0; i < SNP_N_PRODUCTS; i++) {
		ret = x509_certs_parse_pem(roots[i], strlen(roots[i]), 1, &trust.products[i].ark, &n);
		if (!ret && n != 1)
			ret = -EBADMSG;
		if (ret) {
			snp_trust_fini(&trust);
			return ret;
		}
	}
	*ret_trust = trust;
	return 0;
}

void snp_trust_fini(struct snp_trust *trust)
{
	for (unsigned int i = 0; i < SNP_N_PRODUCTS; i++) {
		struct snp_product_trust *product = &trust->products[i];

		x509_cert_free(product->ark);
		for (size_t j = 0; j < product->n_crls; j++)
			x509_crl_free(product->crls[j]);
	}
	snp_trust_init_empty(trust);
}

void snp_trust_set_root(struct snp_trust *trust, enum snp_product product, struct x509_cert *ark)
{
	x509_cert_free(trust->products[product].ark);
	trust->products[product].ark = ark;
}

int snp_trust_add_crl(struct snp_trust *trust, enum snp_product product, const uint8_t *der, size_t len)
{
	struct snp_product_trust *at = &trust->products[product];
	int ret;

	if (at->n_crls == SNP_MAX_CRLS)
		return -ENOSPC;
	ret = x509_crl_parse(der, len, &at->crls[at->n_crls]);
	if (!ret)
		at->n_crls++;
	return ret;
}
