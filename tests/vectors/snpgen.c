// SPDX-License-Identifier: MIT
/* snpgen: reports, and evidence as a whole, see snpgen.h. */
#include "snpgen.h"

#include <openssl/ec.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <attest/snp/evidence.h>

#include "snpkey.h"

#define HWID_LEN(product) ((product) == SNP_TURIN ? 8u : 64u)

const struct snp_tcb snpgen_tcb = { .fmc = 1, .boot_loader = 4, .tee = 2, .snp = 24, .microcode = 219 };
const uint8_t snpgen_report_data[SNP_REPORT_DATA_LEN] = "the binding digest of a test, 64 bytes with what is after it";

void snpgen_put(struct snpgen *gen, size_t offset, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		gen->report[offset + i] = (uint8_t)(value >> 8 * i);
}

struct snpgen_extension *snpgen_find(struct snpgen_cert *cert, const char *oid)
{
	for (size_t i = 0; i < cert->n_extensions; i++)
		if (strcmp(cert->extensions[i].oid, oid) == 0)
			return &cert->extensions[i];
	snpgen_need(false, oid);
	return NULL;
}

void snpgen_drop(struct snpgen_cert *cert, const char *oid)
{
	struct snpgen_extension *found = snpgen_find(cert, oid);
	struct snpgen_extension *last = &cert->extensions[--cert->n_extensions];

	memmove(found, found + 1, (size_t)((uint8_t *)last - (uint8_t *)found));
	memset(last, 0, sizeof(*last));
}

void snpgen_add(struct snpgen_cert *cert, const char *oid, bool critical, const void *bytes, size_t len)
{
	struct snpgen_extension *extension = &cert->extensions[cert->n_extensions++];

	snpgen_need(cert->n_extensions <= SNPGEN_MAX_EXTENSIONS && len <= sizeof(extension->bytes), "adding an extension");
	memset(extension, 0, sizeof(*extension));
	snprintf(extension->oid, sizeof(extension->oid), "%s", oid);
	extension->critical = critical;
	memcpy(extension->bytes, bytes, len);
	extension->len = len;
}

static void set_number(struct snpgen_extension *extension, uint8_t value)
{
	const uint8_t der[4] = { 2, 1, value }, wide[4] = { 2, 2, 0, value };

	memcpy(extension->bytes, value < 0x80 ? der : wide, 4);
	extension->len = value < 0x80 ? 3 : 4;
}

static void add_number(struct snpgen_cert *cert, const char *oid, uint8_t value)
{
	snpgen_add(cert, oid, false, "", 0);
	set_number(&cert->extensions[cert->n_extensions - 1], value);
}

static void add_name(struct snpgen_cert *cert, const char *oid, const char *name)
{
	uint8_t der[80] = { 0x16, (uint8_t)strlen(name) };

	memcpy(der + 2, name, strlen(name));
	snpgen_add(cert, oid, false, der, 2 + strlen(name));
}

void snpgen_set_tcb(struct snpgen_cert *cert, enum snp_product product, const struct snp_tcb *tcb)
{
	set_number(snpgen_find(cert, SNPGEN_AMD "3.1"), tcb->boot_loader);
	set_number(snpgen_find(cert, SNPGEN_AMD "3.2"), tcb->tee);
	set_number(snpgen_find(cert, SNPGEN_AMD "3.3"), tcb->snp);
	set_number(snpgen_find(cert, SNPGEN_AMD "3.8"), tcb->microcode);
	if (product == SNP_TURIN)
		set_number(snpgen_find(cert, SNPGEN_AMD "3.9"), tcb->fmc);
}

static void chip_id(enum snp_product product, uint8_t ret_id[SNP_CHIP_ID_LEN])
{
	memset(ret_id, 0, SNP_CHIP_ID_LEN);
	for (size_t i = 0; i < HWID_LEN(product); i++)
		ret_id[i] = (uint8_t)(0xc1 + 7 * i + product);
}

static void init_leaf_extensions(struct snpgen *gen)
{
	static const char *const parts[] = { "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9" };
	size_t n = gen->product == SNP_TURIN ? 9 : 8;
	struct snpgen_cert *leaf = &gen->leaf;
	uint8_t id[SNP_CHIP_ID_LEN];
	char text[32];

	add_number(leaf, SNPGEN_AMD "1", gen->product == SNP_TURIN);
	snprintf(text, sizeof(text), "%s%s", snp_product_name(gen->product), gen->vlek ? "" : "-B1");
	add_name(leaf, SNPGEN_AMD "2", text);
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), SNPGEN_AMD "%s", parts[i]);
		add_number(leaf, text, 0);
	}
	snpgen_set_tcb(leaf, gen->product, &snpgen_tcb);
	chip_id(gen->product, id);
	if (gen->vlek)
		add_name(leaf, SNPGEN_AMD "5", "CN=example");
	else
		snpgen_add(leaf, SNPGEN_AMD "4", false, id, HWID_LEN(gen->product));
}

static void init_certs(struct snpgen *gen)
{
	const char *name = snp_product_name(gen->product);
	struct snpgen_cert *certs[] = { &gen->ark, &gen->ask, &gen->leaf };

	for (unsigned int i = 0; i < 3; i++) {
		certs[i]->serial = i < 2 ? 0x10000 + i : 0;
		certs[i]->key = (const enum snpgen_key[]){ SNPGEN_ARK, SNPGEN_ASK, SNPGEN_LEAF }[i];
		certs[i]->signer = i ? certs[i - 1]->key : SNPGEN_ARK;
		certs[i]->not_before_s = SNPGEN_NOW - SNPGEN_YEAR;
		certs[i]->not_after_s = SNPGEN_NOW + SNPGEN_YEAR;
	}
	snprintf(gen->ark.subject, sizeof(gen->ark.subject), "ARK-%s", name);
	snprintf(gen->ask.subject, sizeof(gen->ask.subject), gen->vlek ? "SEV-VLEK-%s" : "SEV-%s", name);
	snprintf(gen->leaf.subject, sizeof(gen->leaf.subject), gen->vlek ? "SEV-VLEK" : "SEV-VCEK");
	memcpy(gen->ark.issuer, gen->ark.subject, sizeof(gen->ark.issuer));
	memcpy(gen->ask.issuer, gen->ark.subject, sizeof(gen->ark.issuer));
	memcpy(gen->leaf.issuer, gen->ask.subject, sizeof(gen->ask.issuer));
	strcpy(gen->ark.constraints, "critical,CA:TRUE");
	strcpy(gen->ark.usage, "critical,keyCertSign,cRLSign");
	strcpy(gen->ask.constraints, "critical,CA:TRUE,pathlen:0");
	strcpy(gen->ask.usage, "critical,keyCertSign");
	init_leaf_extensions(gen);
}

/* Offsets as AMD's document has them, not as report.c has. */
static void init_report(struct snpgen *gen, uint32_t version)
{
	static const uint32_t cpuids[SNP_N_PRODUCTS] = { 0x010119, 0x011119, 0x00021a };
	uint64_t tcb = snp_tcb_encode(gen->product, &snpgen_tcb);

	snpgen_put(gen, 0x00, version, 4);
	snpgen_put(gen, 0x04, 3, 4);
	snpgen_put(gen, 0x08, 0x30000 | 1 << 8 | 51, 8);
	memset(gen->report + 0x10, 0xf1, 16);
	memset(gen->report + 0x20, 0x1d, 16);
	snpgen_put(gen, 0x34, 1, 4);
	snpgen_put(gen, 0x38, tcb, 8);
	snpgen_put(gen, 0x40, 0x25, 8);
	snpgen_put(gen, 0x48, 1 | (gen->vlek ? 1 << 2 : 0), 4);
	memcpy(gen->report + 0x50, snpgen_report_data, 64);
	memset(gen->report + 0x90, 0x3e, 48);
	memset(gen->report + 0xc0, 0x40, 32);
	memset(gen->report + 0xe0, 0x1e, 48);
	memset(gen->report + 0x110, 0xa0, 48);
	memset(gen->report + 0x140, 0x1b, 32);
	memset(gen->report + 0x160, 0xff, 32);
	snpgen_put(gen, 0x180, tcb, 8);
	if (version >= 3)
		snpgen_put(gen, 0x188, cpuids[gen->product], 3);
	if (!gen->vlek)
		chip_id(gen->product, gen->report + 0x1a0);
	snpgen_put(gen, 0x1e0, tcb, 8);
	snpgen_put(gen, 0x1e8, 0x01370a, 3);
	snpgen_put(gen, 0x1ec, 0x01370a, 3);
	snpgen_put(gen, 0x1f0, tcb, 8);
	if (version >= 5) {
		snpgen_put(gen, 0x1f8, 0x5, 8);
		snpgen_put(gen, 0x200, 0xd, 8);
	}
}

void snpgen_init(struct snpgen *gen, enum snp_product product, bool vlek, uint32_t version)
{
	memset(gen, 0, sizeof(*gen));
	gen->product = product;
	gen->vlek = vlek;
	gen->report_key = SNPGEN_LEAF;
	init_certs(gen);
	init_report(gen, version);
}

static void put_scalar(uint8_t ret_bytes[SNP_SCALAR_LEN], const BIGNUM *number)
{
	memset(ret_bytes, 0, SNP_SCALAR_LEN);
	snpgen_need(BN_bn2lebinpad(number, ret_bytes, 48) == 48, "writing a signature");
}

void snpgen_sign(uint8_t report[SNP_REPORT_LEN], enum snpgen_key key)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t der[256];
	const uint8_t *at = der;
	size_t len = sizeof(der);
	ECDSA_SIG *signature;

	snpgen_need(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, snpgen_key(key)) == 1 &&
		    EVP_DigestSign(context, der, &len, report, SNP_SIGNED_LEN) == 1, "signing a report");
	signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
	snpgen_need(signature, "signing a report");
	put_scalar(report + 0x2a0, ECDSA_SIG_get0_r(signature));
	put_scalar(report + 0x2e8, ECDSA_SIG_get0_s(signature));
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
}

size_t snpgen_evidence(struct snpgen *gen, uint8_t ret_bytes[SNPGEN_EVIDENCE_MAX])
{
	const struct snpgen_cert *certs[] = { &gen->leaf, &gen->ask, &gen->ark };
	struct snp_evidence evidence = { .report = gen->report, .n_certs = gen->send_root ? 3 : 2 };
	uint8_t ders[3][SNPGEN_CERT_MAX];
	size_t len = SNPGEN_EVIDENCE_MAX;

	if (!gen->keep_signature)
		snpgen_sign(gen->report, gen->report_key);
	for (size_t i = 0; i < evidence.n_certs; i++) {
		evidence.certs[i].len = snpgen_cert_make(certs[i], ders[i]);
		evidence.certs[i].der = ders[i];
	}
	snpgen_need(snp_evidence_write(&evidence, ret_bytes, &len) == 0, "writing evidence");
	return len;
}

void snpgen_trust(const struct snpgen *gen, struct snp_trust *ret_trust)
{
	snp_trust_init_empty(ret_trust);
	snp_trust_set_root(ret_trust, gen->product, snpgen_cert_parsed(&gen->ark));
}

void snpgen_crl_init(const struct snpgen *gen, struct snpgen_crl *ret_crl)
{
	memset(ret_crl, 0, sizeof(*ret_crl));
	memcpy(ret_crl->issuer, gen->ark.subject, sizeof(ret_crl->issuer));
	ret_crl->signer = gen->ark.key;
	ret_crl->this_update_s = SNPGEN_NOW - 86400;
	ret_crl->next_update_s = SNPGEN_NOW + 86400;
}

void snpgen_policy(const struct snpgen *gen, struct snp_policy *ret_policy)
{
	snp_policy_init(ret_policy);
	snp_policy_set_floor(ret_policy, gen->product, &snpgen_tcb);
	snp_policy_add_measurement(ret_policy, gen->report + 0x90);
	ret_policy->vlek = gen->vlek;
	ret_policy->masked_chip = gen->vlek;
}

void snpgen_policy_text(const struct snpgen *gen, char *ret_text, size_t size)
{
	char measurement[2 * SNP_MEASUREMENT_LEN + 1];

	sodium_bin2hex(measurement, sizeof(measurement), gen->report + 0x90, SNP_MEASUREMENT_LEN);
	snprintf(ret_text, size, "snp: { measurements = [ \"%s\" ]; floor: { %s: { boot_loader = %u; tee = %u; snp = %u; "
		 "microcode = %u; }; }; };\n", measurement, gen->product == SNP_MILAN ? "milan" : "genoa",
		 snpgen_tcb.boot_loader, snpgen_tcb.tee, snpgen_tcb.snp, snpgen_tcb.microcode);
}
