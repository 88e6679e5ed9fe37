/* SPDX-License-Identifier: MIT */
/* platform: see platform.h. */
#include "platform.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "snp/evidence.h"
#include "tdx/pck.h"
#include "tdx/quote.h"
#include "x509.h"

#define IDENTITY_MAX 64u
#define PCK_CHAIN_MAX 3u

static const uint8_t label[24] = "gmem v1 platform";

void platform_id(enum bundle_kind kind, const uint8_t *identity, size_t len, uint8_t ret_id[ATTEST_ID_LEN])
{
	const uint8_t kind_byte = (uint8_t)kind;
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, label, sizeof(label));
	crypto_hash_sha256_update(&hash, &kind_byte, 1);
	crypto_hash_sha256_update(&hash, identity, len);
	crypto_hash_sha256_final(&hash, ret_id);
}

static int snp_identity(const struct bundle_item *item, uint8_t ret_identity[IDENTITY_MAX], size_t *ret_len)
{
	struct snp_evidence evidence;
	struct snp_report report;
	const char *why;

	if (snp_evidence_parse(item->data, item->len, &evidence) ||
	    snp_report_parse(evidence.report, SNP_REPORT_LEN, &report, &why) ||
	    sodium_is_zero(report.chip_id, SNP_CHIP_ID_LEN))
		return -ENOENT;
	memcpy(ret_identity, report.chip_id, SNP_CHIP_ID_LEN);
	*ret_len = SNP_CHIP_ID_LEN;
	return 0;
}

static int tdx_identity(const struct bundle_item *item, uint8_t ret_identity[IDENTITY_MAX], size_t *ret_len)
{
	struct x509_cert *certs[PCK_CHAIN_MAX] = { NULL };
	struct tdx_quote quote;
	const uint8_t *der;
	struct tdx_pck pck;
	size_t n = 0, len;
	int ret = -ENOENT;

	if (tdx_quote_parse(item->data, item->len, &quote) ||
	    x509_certs_parse_pem(quote.pem, quote.pem_len, PCK_CHAIN_MAX, certs, &n))
		return -ENOENT;
	if (n && !x509_cert_extension(certs[0], TDX_PCK_EXTENSION, &der, &len) && !tdx_pck_parse(der, len, &pck)) {
		*ret_len = sizeof(pck.ppid);
		memcpy(ret_identity, pck.has_instance_id ? pck.instance_id : pck.ppid, *ret_len);
		ret = 0;
	}
	for (size_t i = 0; i < n; i++)
		x509_cert_free(certs[i]);
	return ret;
}

int platform_of_bundle(const struct bundle *bundle, uint8_t ret_id[ATTEST_ID_LEN])
{
	uint8_t identity[IDENTITY_MAX];
	size_t len = 0;
	int ret = 0;

	switch (bundle->kind) {
	case BUNDLE_SOFTWARE:
		len = bundle->items[BUNDLE_SOFTWARE_KEY].len;
		if (len > sizeof(identity))
			return -ENOENT;
		memcpy(identity, bundle->items[BUNDLE_SOFTWARE_KEY].data, len);
		break;
	case BUNDLE_TPM:
		len = crypto_hash_sha256_BYTES;
		crypto_hash_sha256(identity, bundle->items[BUNDLE_TPM_KEY].data, bundle->items[BUNDLE_TPM_KEY].len);
		break;
	case BUNDLE_SNP:
		ret = snp_identity(&bundle->items[BUNDLE_SNP_EVIDENCE], identity, &len);
		break;
	case BUNDLE_TDX:
		ret = tdx_identity(&bundle->items[BUNDLE_TDX_QUOTE], identity, &len);
		break;
	default:
		ret = -ENOENT;
	}
	if (!ret)
		platform_id(bundle->kind, identity, len, ret_id);
	return ret;
}
