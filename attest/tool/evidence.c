/* SPDX-License-Identifier: MIT */
/* evidence: from a file to a bundle, also where the file is what a machine's firmware gave, bare. */
#include <stdlib.h>
#include <string.h>

#include "../snp/evidence.h"
#include "../tdx/quote.h"
#include "../x509.h"
#include "tool.h"

#define MAX_CERTS 8u

struct certs {
	struct x509_cert *cert[MAX_CERTS];
	size_t n;
};

static void free_certs(struct certs *certs)
{
	for (size_t i = 0; i < certs->n; i++)
		x509_cert_free(certs->cert[i]);
	certs->n = 0;
}

/* Of one file, DER or PEM. */
static int add_certs(const char *path, struct certs *certs)
{
	uint8_t *bytes;
	size_t len, n = 0;
	int ret;

	ret = tool_read(path, &bytes, &len);
	if (ret)
		return ret;
	if (certs->n < MAX_CERTS && !x509_cert_parse(bytes, len, &certs->cert[certs->n]))
		n = 1;
	else if (x509_certs_parse_pem((char *)bytes, len, MAX_CERTS - certs->n, certs->cert + certs->n, &n))
		n = 0;
	free(bytes);
	certs->n += n;
	return n ? 0 : tool_fail(TOOL_UNREADABLE, "%s: no certificates in DER or PEM, or too many", path);
}

static bool is_named(const struct x509_cert *cert, const char *prefix)
{
	char name[X509_NAME_MAX];

	x509_cert_common_name(cert, name);
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The chip's certificate comes first; its issuer is the one of AMD's that issues such. */
static const struct x509_cert *issuer_of(const struct certs *certs)
{
	bool vlek = is_named(certs->cert[0], "SEV-VLEK");

	for (size_t i = 1; i < certs->n; i++)
		if (is_named(certs->cert[i], "SEV-") && is_named(certs->cert[i], "SEV-VLEK") == vlek)
			return certs->cert[i];
	return NULL;
}

static int put_bundle(enum bundle_kind kind, enum bundle_type type, const uint8_t *bytes, size_t len,
		      struct tool_evidence *evidence)
{
	struct bundle bundle = { .kind = kind };

	bundle.items[type] = (struct bundle_item){ bytes, len };
	evidence->len = sizeof(evidence->bytes);
	if (bundle_write(&bundle, evidence->bytes, &evidence->len) ||
	    bundle_parse(evidence->bytes, evidence->len, &evidence->bundle))
		return tool_fail(TOOL_UNREADABLE, "the evidence is longer than %u bytes", BUNDLE_MAX_LEN);
	return 0;
}

static int take_report(const uint8_t *report, const char *const *cert_paths, struct tool_evidence *evidence)
{
	struct snp_evidence snp = { .report = report, .n_certs = SNP_MIN_CERTS };
	uint8_t bytes[BUNDLE_MAX_LEN];
	const struct x509_cert *issuer;
	struct certs certs = { .n = 0 };
	size_t len = sizeof(bytes);
	int ret = 0;

	for (; !ret && cert_paths && *cert_paths; cert_paths++)
		ret = add_certs(*cert_paths, &certs);
	issuer = ret || !certs.n ? NULL : issuer_of(&certs);
	if (!ret && !issuer)
		ret = tool_fail(TOOL_USAGE,
				"a bare SEV-SNP report needs --cert FILE: the VCEK's or VLEK's certificate, "
				"then its issuer's");
	if (!ret) {
		x509_cert_der(certs.cert[0], &snp.certs[0].der, &snp.certs[0].len);
		x509_cert_der(issuer, &snp.certs[1].der, &snp.certs[1].len);
		ret = snp_evidence_write(&snp, bytes, &len) ?
		      tool_fail(TOOL_UNREADABLE, "the certificates are longer than evidence may be") :
		      put_bundle(BUNDLE_SNP, BUNDLE_SNP_EVIDENCE, bytes, len, evidence);
	}
	free_certs(&certs);
	return ret;
}

static int take(const uint8_t *bytes, size_t len, const char *path, const char *const *cert_paths,
		struct tool_evidence *evidence)
{
	struct tdx_header header;
	struct tdx_quote quote;

	if (len <= sizeof(evidence->bytes)) {
		memcpy(evidence->bytes, bytes, len);
		evidence->len = len;
		if (!bundle_parse(evidence->bytes, len, &evidence->bundle))
			return 0;
	}
	if (len == SNP_REPORT_LEN && snp_report_version_known(snp_report_version(bytes, len)))
		return take_report(bytes, cert_paths, evidence);
	if (!tdx_header_parse(bytes, len, &header) && header.tee_type == TDX_TEE_TYPE) {
		if (tdx_quote_parse(bytes, len, &quote))
			return tool_fail(TOOL_UNREADABLE, "%s: a TDX quote that is cut, or of a version not known",
					 path);
		return put_bundle(BUNDLE_TDX, BUNDLE_TDX_QUOTE, bytes, quote.len, evidence);
	}
	if (len == WIRE_DIGEST_LEN)
		return 0;
	return tool_fail(TOOL_UNREADABLE, "%s: no evidence of any kind known here", path);
}

int tool_evidence(const char *path, const char *const *cert_paths, struct tool_evidence *ret_evidence)
{
	uint8_t *bytes;
	size_t len;
	int ret;

	memset(ret_evidence, 0, sizeof(*ret_evidence));
	ret = tool_read(path, &bytes, &len);
	if (ret)
		return ret;
	ret = take(bytes, len, path, cert_paths, ret_evidence);
	free(bytes);
	return ret;
}
