/* SPDX-License-Identifier: MIT */
/* trust: see trust.h. */
#include "trust.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "tdx/root.h"

#define FILE_MAX (1u << 20)

int trust_init(struct trust *trust)
{
	struct trust made = { 0 };
	int ret;

	ret = snp_trust_init(&made.snp);
	if (ret)
		return ret;
	ret = tdx_root_new(&made.tdx_root);
	if (ret) {
		snp_trust_fini(&made.snp);
		return ret;
	}
	*trust = made;
	return 0;
}

void trust_fini(struct trust *trust)
{
	snp_trust_fini(&trust->snp);
	x509_cert_free(trust->tdx_root);
	tdx_collateral_free(trust->tdx_collateral);
	*trust = (struct trust){ 0 };
}

int trust_set_collateral(struct trust *trust, const char *json, size_t len)
{
	struct tdx_collateral *collateral;
	int ret;

	ret = tdx_collateral_new(json, len, &collateral);
	if (ret)
		return ret;
	tdx_collateral_free(trust->tdx_collateral);
	trust->tdx_collateral = collateral;
	return 0;
}

static int take_crl(struct trust *trust, unsigned int product, const uint8_t *bytes, size_t len)
{
	return snp_trust_add_crl(&trust->snp, (enum snp_product)product, bytes, len);
}

static int take_collateral(struct trust *trust, unsigned int unused, const uint8_t *bytes, size_t len)
{
	return trust_set_collateral(trust, (const char *)bytes, len);
}

static const struct {
	const char *name;
	int (*take)(struct trust *trust, unsigned int argument, const uint8_t *bytes, size_t len);
	unsigned int argument;
} files[] = {
	{ "snp-milan.crl", take_crl, SNP_MILAN },
	{ "snp-milan-vlek.crl", take_crl, SNP_MILAN },
	{ "snp-genoa.crl", take_crl, SNP_GENOA },
	{ "snp-genoa-vlek.crl", take_crl, SNP_GENOA },
	{ "snp-turin.crl", take_crl, SNP_TURIN },
	{ "snp-turin-vlek.crl", take_crl, SNP_TURIN },
	{ "tdx-collateral.json", take_collateral, 0 },
};

int trust_load_folder(struct trust *trust, const char *path, char ret_error[TRUST_ERROR_LEN])
{
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		uint8_t *bytes;
		size_t len;
		int ret;

		snprintf(name, sizeof(name), "%s/%s", path, files[i].name);
		ret = file_read(name, FILE_MAX, &bytes, &len);
		if (ret == -ENOENT)
			continue;
		if (!ret) {
			ret = files[i].take(trust, files[i].argument, bytes, len);
			free(bytes);
		}
		if (ret) {
			snprintf(ret_error, TRUST_ERROR_LEN, "%s of the trust folder: %s", files[i].name,
				 ret == -EBADMSG ? "malformed" : strerror(-ret));
			return ret;
		}
	}
	return 0;
}
