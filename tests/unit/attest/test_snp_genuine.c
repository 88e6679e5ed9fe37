/* SPDX-License-Identifier: MIT */
/* genuine.c: what makes a report not authentic, each refused by its own rule and with its own reason. */
#include "check.h"

#include <errno.h>

#include "snpworld.h"

/* Where things are in the evidence. */
#define REPORT_AT 2u
#define COUNT_AT (REPORT_AT + SNP_REPORT_LEN)
#define LEAF_AT (COUNT_AT + 3u)

#define BREAK(name, ...)				\
	static void name(struct snpworld *w)		\
	{						\
		__VA_ARGS__;				\
	}
#define TAMPER(name, ...)				\
	static void name##_bytes(uint8_t *e, size_t *n)	\
	{						\
		(void)n;				\
		__VA_ARGS__;				\
	}						\
	BREAK(name, w->tamper = name##_bytes)
#define OR(offset, bits, len) snpgen_put(&w->gen, offset, bits, len)

TAMPER(cut_short, *n -= 1)
TAMPER(made_longer, e[(*n)++] = 0)
TAMPER(emptied, *n = 0)
TAMPER(other_format, e[0] = 2)
TAMPER(one_cert, e[COUNT_AT] = 1)
TAMPER(four_certs, e[COUNT_AT] = 4)
TAMPER(report_only, *n = COUNT_AT)
TAMPER(version_1, e[REPORT_AT] = 1)
TAMPER(version_4, e[REPORT_AT] = 4)
TAMPER(version_6, e[REPORT_AT] = 6)
TAMPER(version_high, e[REPORT_AT + 3] = 1)
BREAK(version_floor, w->policy.min_version = 3)
TAMPER(leaf_garbled, e[LEAF_AT] ^= 1)

static size_t ask_at(const uint8_t *e)
{
	return LEAF_AT + (size_t)(e[LEAF_AT - 2] | e[LEAF_AT - 1] << 8) + 2;
}

TAMPER(ask_garbled, e[ask_at(e)] ^= 1)

static void swapped_bytes(uint8_t *e, size_t *n)
{
	uint8_t copy[SNPGEN_EVIDENCE_MAX];
	size_t ask = ask_at(e) - 2, leaf = LEAF_AT - 2;

	memcpy(copy, e, *n);
	memcpy(e + leaf, copy + ask, *n - ask);
	memcpy(e + leaf + *n - ask, copy + leaf, ask - leaf);
}
BREAK(swapped, w->tamper = swapped_bytes)

BREAK(policy_reserved, OR(0x08, 0x4030000, 8))
BREAK(policy_one, OR(0x08, 0x10000, 8))
BREAK(platform_reserved_6, OR(0x40, 0x40, 8))
BREAK(platform_reserved_8, OR(0x40, 0x100, 8))
BREAK(flags_reserved, OR(0x48, 0x20, 4))
BREAK(zero_4c, OR(0x4f, 1, 1))
BREAK(zero_188, OR(0x188, 0x19, 1))
BREAK(zero_18b, OR(0x18b, 1, 1))
BREAK(zero_19f, OR(0x19f, 1, 1))
BREAK(zero_1eb, OR(0x1eb, 1, 1))
BREAK(zero_1ef, OR(0x1ef, 1, 1))
BREAK(zero_1f8, OR(0x1f8, 1, 1))
BREAK(zero_29f, OR(0x29f, 1, 1))
BREAK(zero_208, OR(0x208, 1, 1))
BREAK(zero_330, OR(0x330, 1, 1))
BREAK(zero_49f, OR(0x49f, 1, 1))

static const struct snpworld_case form_cases[] = {
	{ "evidence cut", cut_short, "snp.evidence", "exactly" },
	{ "evidence longer", made_longer, "snp.evidence", "exactly" },
	{ "evidence empty", emptied, "snp.evidence", "exactly" },
	{ "evidence of another format", other_format, "snp.evidence", "exactly" },
	{ "one certificate", one_cert, "snp.evidence", "exactly" },
	{ "four certificates", four_certs, "snp.evidence", "exactly" },
	{ "no certificates", report_only, "snp.evidence", "exactly" },
	{ "version 1", version_1, "snp.version", "has version 1;" },
	{ "version 4", version_4, "snp.version", "has version 4;" },
	{ "version 6", version_6, "snp.version", "has version 6;" },
	{ "version high", version_high, "snp.version", "has version 16777219;" },
	{ "version below the floor", version_floor, "snp.version", "asks for 3", SNP_MILAN, 2 },
	{ "leaf garbled", leaf_garbled, "snp.certificates", "the signing key's certificate cannot be read" },
	{ "ASK garbled", ask_garbled, "snp.certificates", "the intermediate certificate cannot be read" },
	{ "certificates swapped", swapped, "snp.endorsement", "3704.1.1" },
	{ "guest policy bit 26", policy_reserved, "snp.format", "guest policy" },
	{ "guest policy bit 17", policy_one, "snp.format", "bit 17" },
	{ "platform bit 6", platform_reserved_6, "snp.format", "platform information" },
	{ "platform bit 8", platform_reserved_8, "snp.format", "platform information" },
	{ "flags", flags_reserved, "snp.format", "beside the signing key" },
	{ "0x4c", zero_4c, "snp.format", "0x4c" },
	{ "0x188 in version 2", zero_188, "snp.format", "0x188", SNP_MILAN, 2 },
	{ "0x18b", zero_18b, "snp.format", "0x18b" },
	{ "0x19f", zero_19f, "snp.format", "0x18b" },
	{ "0x1eb", zero_1eb, "snp.format", "0x1eb" },
	{ "0x1ef", zero_1ef, "snp.format", "0x1ef" },
	{ "0x1f8 in version 2", zero_1f8, "snp.format", "0x1f8", SNP_MILAN, 2 },
	{ "0x1f8 in version 3", zero_1f8, "snp.format", "0x1f8" },
	{ "0x29f", zero_29f, "snp.format", "0x1f8" },
	{ "0x208 in version 5", zero_208, "snp.format", "0x208", SNP_TURIN, 5 },
	{ "0x330", zero_330, "snp.format", "after the signature" },
	{ "0x49f", zero_49f, "snp.format", "after the signature" },
};

static void form_is_checked(void)
{
	snpworld_run(form_cases, sizeof(form_cases) / sizeof(form_cases[0]));
}

#define SUBJECT(cert, text) strcpy(w->gen.cert.subject, text)
#define ISSUER(cert, text) strcpy(w->gen.cert.issuer, text)

BREAK(cpuid_genoa, OR(0x188, 0x1119, 2))
BREAK(cpuid_unknown, OR(0x188, 0x0117, 2))
BREAK(cpuid_turin_late, OR(0x188, 0x121a, 2))
BREAK(ask_of_genoa, SUBJECT(ask, "SEV-Genoa"), ISSUER(leaf, "SEV-Genoa"))
BREAK(ask_for_vleks, SUBJECT(ask, "SEV-VLEK-Milan"), ISSUER(leaf, "SEV-VLEK-Milan"))
BREAK(asvk_for_vceks, SUBJECT(ask, "SEV-Milan"), ISSUER(leaf, "SEV-Milan"))
BREAK(leaf_of_genoa, memcpy(snpgen_find(&w->gen.leaf, SNPGEN_AMD "2")->bytes + 2, "Genoa", 5))
/* All of Genoa, and only Milan's root is pinned. */
BREAK(all_genoa, snpgen_init(&w->gen, SNP_GENOA, false, 3))
BREAK(other_root_sent, w->gen.send_root = true, w->gen.ark.key = w->gen.ark.signer = w->gen.ask.signer = SNPGEN_OTHER)
BREAK(same_key_other_root, w->gen.send_root = true, w->gen.ark.serial++)

static const struct snpworld_case product_cases[] = {
	{ "CPUID of Genoa", cpuid_genoa, "snp.product", "model 0x11; the certificate is for Milan" },
	{ "CPUID of nobody", cpuid_unknown, "snp.product", "family 0x17" },
	{ "CPUID after Turin", cpuid_turin_late, "snp.product", "model 0x12", SNP_TURIN },
	{ "ASK of Genoa", ask_of_genoa, "snp.product", "SEV-Milan; SEV-Genoa was given" },
	{ "VCEK under the ASVK", ask_for_vleks, "snp.product", "SEV-VLEK-Milan was given" },
	{ "VLEK under the ASK", asvk_for_vceks, "snp.product", "SEV-VLEK-Milan; SEV-Milan was given", .vlek = true },
	{ "VCEK of Genoa", leaf_of_genoa, "snp.product", "is for Genoa, whose" },
	{ "no root for Genoa", all_genoa, "snp.anchor", "no root is pinned for Genoa" },
	{ "somebody's root sent", other_root_sent, "snp.anchor", "must be the one pinned" },
	{ "another root of the same key", same_key_other_root, "snp.anchor", "must be the one pinned" },
};

static void product_is_checked(void)
{
	snpworld_run(product_cases, sizeof(product_cases) / sizeof(product_cases[0]));
}

BREAK(other_root_used, w->gen.ask.signer = SNPGEN_OTHER)
BREAK(leaf_self_made, w->gen.leaf.signer = SNPGEN_OTHER)
BREAK(leaf_by_root, w->gen.leaf.signer = SNPGEN_ARK)
BREAK(leaf_pkcs1, w->gen.leaf.algorithm = SNPGEN_PKCS1)
BREAK(ask_pkcs1, w->gen.ask.algorithm = SNPGEN_PKCS1)
BREAK(ark_pkcs1, w->gen.ark.algorithm = SNPGEN_PKCS1, w->pin_as_is = true)
BREAK(leaf_sha256, w->gen.leaf.algorithm = SNPGEN_PSS_SHA256)
BREAK(leaf_sha1, w->gen.leaf.algorithm = SNPGEN_PSS_SHA1)
BREAK(leaf_mgf, w->gen.leaf.algorithm = SNPGEN_PSS_MGF_SHA256)
BREAK(leaf_salt, w->gen.leaf.algorithm = SNPGEN_PSS_SALT_32)
BREAK(ask_small, w->gen.ask.key = w->gen.leaf.signer = SNPGEN_SMALL)
BREAK(ask_ec, w->gen.ask.key = w->gen.leaf.signer = SNPGEN_P256)
BREAK(ark_not_own, w->gen.ark.signer = SNPGEN_OTHER, w->pin_as_is = true)
BREAK(leaf_issuer, ISSUER(leaf, "SEV-Genoa"))
BREAK(ask_issuer, ISSUER(ask, "ARK-Genoa"))
BREAK(ark_issuer, ISSUER(ark, "ARK-Genoa"), w->pin_as_is = true)
BREAK(ask_no_ca, strcpy(w->gen.ask.constraints, "critical,CA:FALSE"))
BREAK(ask_no_constraints, w->gen.ask.constraints[0] = '\0')
BREAK(ask_no_usage, w->gen.ask.usage[0] = '\0')
BREAK(ask_usage, strcpy(w->gen.ask.usage, "critical,cRLSign"))
BREAK(ask_malformed, snpgen_add(&w->gen.ask, "2.5.29.35", false, "\5\0", 2))
BREAK(ark_path, strcpy(w->gen.ark.constraints, "critical,CA:TRUE,pathlen:0"), w->pin_as_is = true)

static const struct snpworld_case chain_cases[] = {
	{ "another root, not sent", other_root_used, "snp.chain", "intermediate certificate is not signed" },
	{ "VCEK by somebody", leaf_self_made, "snp.chain", "signing key's certificate is not signed" },
	{ "VCEK by the root's key", leaf_by_root, "snp.chain", "signing key's certificate is not signed" },
	{ "PKCS1 on the VCEK", leaf_pkcs1, "snp.chain", "expected algorithm" },
	{ "PKCS1 on the ASK", ask_pkcs1, "snp.chain", "intermediate certificate is not signed" },
	{ "PKCS1 on the ARK", ark_pkcs1, "snp.chain", "root certificate is not signed" },
	{ "PSS with SHA-256", leaf_sha256, "snp.chain", "expected algorithm" },
	{ "PSS with SHA-1", leaf_sha1, "snp.chain", "expected algorithm" },
	{ "MGF1 with SHA-256", leaf_mgf, "snp.chain", "expected algorithm" },
	{ "salt of 32", leaf_salt, "snp.chain", "expected algorithm" },
	{ "RSA-2048", ask_small, "snp.chain", "expected algorithm" },
	{ "ECDSA", ask_ec, "snp.chain", "expected algorithm" },
	{ "root not signed by itself", ark_not_own, "snp.chain", "root certificate is not signed" },
	{ "VCEK's issuer", leaf_issuer, "snp.chain", "signing key's certificate names another issuer" },
	{ "ASK's issuer", ask_issuer, "snp.chain", "intermediate certificate names another issuer" },
	{ "ARK's issuer", ark_issuer, "snp.chain", "root certificate names another issuer" },
	{ "ASK is no CA", ask_no_ca, "snp.chain", "may not issue it" },
	{ "ASK has no constraints", ask_no_constraints, "snp.chain", "may not issue it" },
	{ "ASK has no key usage", ask_no_usage, "snp.chain", "may not issue it" },
	{ "ASK's key usage", ask_usage, "snp.chain", "may not issue it" },
	{ "ASK's key identifier is malformed", ask_malformed, "snp.chain", "may not issue it" },
	{ "ARK's path length", ark_path, "snp.chain", "may not issue it" },
};

static void chain_is_checked(void)
{
	snpworld_run(chain_cases, sizeof(chain_cases) / sizeof(chain_cases[0]));
}

#define UNKNOWN(cert, critical) snpgen_add(&w->gen.cert, "1.2.3.4", critical, "\5\0", 2)

BREAK(leaf_critical, UNKNOWN(leaf, true))
BREAK(ask_critical, UNKNOWN(ask, true))
BREAK(ark_critical, UNKNOWN(ark, true), w->pin_as_is = true)
BREAK(amd_critical, snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.1")->critical = true)
BREAK(leaf_twice, UNKNOWN(leaf, false), UNKNOWN(leaf, false))
BREAK(ask_twice, UNKNOWN(ask, false), UNKNOWN(ask, false))
BREAK(amd_twice, w->gen.leaf.extensions[w->gen.leaf.n_extensions++] = *snpgen_find(&w->gen.leaf, SNPGEN_AMD "3.8"))
BREAK(leaf_expired, w->gen.leaf.not_after_s = w->now - 1)
BREAK(leaf_early, w->gen.leaf.not_before_s = w->now + 1)
BREAK(ask_expired, w->gen.ask.not_after_s = w->now - 1)
BREAK(ask_early, w->gen.ask.not_before_s = w->now + 1)
BREAK(ark_expired, w->gen.ark.not_after_s = w->now - 1, w->pin_as_is = true)
BREAK(long_ago, w->now = 0)
BREAK(far_away, w->now = INT64_MAX)

static const struct snpworld_case validity_cases[] = {
	{ "VCEK with an unknown critical extension", leaf_critical, "snp.extensions", "key's certificate has a critical" },
	{ "ASK with one", ask_critical, "snp.extensions", "intermediate certificate has a critical" },
	{ "ARK with one", ark_critical, "snp.extensions", "root certificate has a critical" },
	{ "AMD's own, but critical", amd_critical, "snp.extensions", "has a critical extension" },
	{ "VCEK with an extension twice", leaf_twice, "snp.extensions", "key's certificate has the same extension twice" },
	{ "ASK with one twice", ask_twice, "snp.extensions", "intermediate certificate has the same extension twice" },
	{ "AMD's own twice", amd_twice, "snp.endorsement", "microcode's version (3704.1.3.8) is missing, twice" },
	{ "VCEK expired", leaf_expired, "snp.validity", "signing key's certificate has expired" },
	{ "VCEK not yet valid", leaf_early, "snp.validity", "signing key's certificate is not valid yet" },
	{ "ASK expired", ask_expired, "snp.validity", "intermediate certificate has expired" },
	{ "ASK not yet valid", ask_early, "snp.validity", "intermediate certificate is not valid yet" },
	{ "ARK expired", ark_expired, "snp.validity", "root certificate has expired" },
	{ "1970", long_ago, "snp.validity", "not valid yet" },
	{ "the end of time", far_away, "snp.validity", "has expired" },
};

static void validity_is_checked(void)
{
	snpworld_run(validity_cases, sizeof(validity_cases) / sizeof(validity_cases[0]));
}

#define CRL(...) w->with_crl = true, __VA_ARGS__
#define REVOKE(number) (w->crl.revoked[w->crl.n_revoked++].serial = (number))

BREAK(no_crl, w->policy.require_crl = true)
BREAK(ask_revoked, CRL(REVOKE(77), REVOKE(0x10001)))
BREAK(leaf_revoked, CRL(w->crl.indirect = true, REVOKE(0), strcpy(w->crl.revoked[0].issuer, "SEV-Milan")))
BREAK(crl_old, CRL(w->crl.next_update_s = w->now - 1))
BREAK(crl_early, CRL(w->crl.this_update_s = w->now + 1))
BREAK(crl_signer, CRL(w->crl.signer = SNPGEN_OTHER))
BREAK(crl_by_ask, CRL(w->crl.signer = SNPGEN_ASK, strcpy(w->crl.issuer, "SEV-Milan")))
BREAK(crl_issuer, CRL(strcpy(w->crl.issuer, "ARK-Genoa")))
BREAK(crl_pkcs1, CRL(w->crl.algorithm = SNPGEN_PKCS1))
BREAK(crl_critical, CRL(w->crl.critical = true))
BREAK(crl_entry_critical, CRL(REVOKE(77), w->crl.revoked[0].critical = true))
BREAK(crl_user_only, CRL(w->crl.user_only = true))
BREAK(crl_not_its, CRL(strcpy(w->gen.ark.usage, "critical,keyCertSign"), w->pin_as_is = true))

static const struct snpworld_case crl_cases[] = {
	{ "no list, and one is asked for", no_crl, "snp.crl", "none is given" },
	{ "ASK revoked", ask_revoked, "snp.crl", "intermediate certificate is revoked" },
	{ "VCEK revoked", leaf_revoked, "snp.crl", "signing key's certificate is revoked" },
	{ "list stale", crl_old, "snp.crl", "not current" },
	{ "list of the future", crl_early, "snp.crl", "not current" },
	{ "list by another key", crl_signer, "snp.crl", "not its issuer's" },
	{ "list by the ASK", crl_by_ask, "snp.crl", "not its issuer's" },
	{ "list of another issuer", crl_issuer, "snp.crl", "not its issuer's" },
	{ "list with PKCS1", crl_pkcs1, "snp.crl", "not its issuer's" },
	{ "list with a critical extension", crl_critical, "snp.crl", "critical extension" },
	{ "entry with a critical extension", crl_entry_critical, "snp.crl", "critical extension" },
	{ "list of leaves only", crl_user_only, "snp.crl", "critical extension" },
	{ "root may not sign lists", crl_not_its, "snp.crl", "may not issue" },
};

static void revocation_is_checked(void)
{
	snpworld_run(crl_cases, sizeof(crl_cases) / sizeof(crl_cases[0]));
}

static void good_lists_change_nothing(void)
{
	struct snpworld world;
	struct verdict verdict;

	snpworld_init(&world, SNP_MILAN, false, 3);
	world.with_crl = world.policy.require_crl = true;
	world.crl.n_revoked = 1;
	/* The VCEK's serial number, of another issuer. */
	world.crl.revoked[0].serial = 0;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "snp.crl")->outcome, VERDICT_HOLDS);
	world.crl.next_update_s = world.crl.this_update_s = world.now;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
}

static void lists_are_read_exactly(void)
{
	uint8_t der[SNPGEN_CERT_MAX];
	struct snpworld world;
	struct snp_trust trust;
	size_t len;

	snpworld_init(&world, SNP_MILAN, false, 3);
	snp_trust_init_empty(&trust);
	len = snpgen_crl_make(&world.crl, der);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len), 0);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len - 1), -EBADMSG);
	der[len] = 0;
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len + 1), -EBADMSG);
	world.crl.next_update_s = 0;
	len = snpgen_crl_make(&world.crl, der);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len), -EBADMSG);
	CU_ASSERT_EQUAL(trust.products[SNP_MILAN].n_crls, 1);
	world.crl.next_update_s = world.now;
	len = snpgen_crl_make(&world.crl, der);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len), 0);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_MILAN, der, len), -ENOSPC);
	CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, SNP_TURIN, der, len), 0);
	snp_trust_fini(&trust);
}

/* Both ends of the time are within. */
static void validity_includes_its_ends(void)
{
	struct snpworld world;
	struct verdict verdict;

	snpworld_init(&world, SNP_MILAN, false, 3);
	world.gen.leaf.not_after_s = world.now;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
	world.gen.leaf.not_before_s = world.now;
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
}

BREAK(algorithm, OR(0x34, 2, 4))
BREAK(leaf_p256, w->gen.leaf.key = w->gen.report_key = SNPGEN_P256)
BREAK(leaf_rsa, w->gen.leaf.key = SNPGEN_OTHER)
BREAK(says_vlek, OR(0x48, 1 << 2, 4))
BREAK(says_none, OR(0x48, 7 << 2, 4))
BREAK(says_reserved, OR(0x48, 3 << 2, 4))
BREAK(says_vcek, OR(0x48, 0, 4))
BREAK(no_vleks, w->policy.vlek = false)
#define SCALAR(at, fill, n) memset(w->gen.report + (at), fill, n), w->gen.keep_signature = true
#define SIGNED snpgen_sign(w->gen.report, SNPGEN_LEAF)
BREAK(r_zero, SIGNED, SCALAR(0x2a0, 0, 72))
BREAK(s_zero, SIGNED, SCALAR(0x2e8, 0, 72))
BREAK(r_large, SIGNED, SCALAR(0x2a0, 0xff, 48))
BREAK(s_large, SIGNED, SCALAR(0x2e8, 0xff, 48))
BREAK(r_48, SIGNED, SCALAR(0x2a0 + 48, 1, 1))
BREAK(s_71, SIGNED, SCALAR(0x2e8 + 71, 1, 1))
BREAK(s_other, SIGNED, w->gen.report[0x2e8] ^= 1, w->gen.keep_signature = true)
BREAK(unsigned_change, SIGNED, w->gen.report[0x90] ^= 1, w->gen.keep_signature = true)
BREAK(stranger, w->gen.report_key = SNPGEN_STRANGER)

static void order_bytes(uint8_t *e, size_t *n)
{
	static const uint8_t order[48] = {
		0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7, 0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58,
		0xdf, 0x2d, 0x37, 0xf4, 0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};

	(void)n;
	memcpy(e + REPORT_AT + 0x2a0, order, sizeof(order));
}
BREAK(r_order, w->tamper = order_bytes)

static void below_order_bytes(uint8_t *e, size_t *n)
{
	order_bytes(e, n);
	e[REPORT_AT + 0x2a0]--;
}
BREAK(r_below_order, w->tamper = below_order_bytes)

static const struct snpworld_case signature_cases[] = {
	{ "algorithm 2", algorithm, "snp.algorithm", "algorithm is not 1" },
	{ "P-256", leaf_p256, "snp.algorithm", "not one on P-384" },
	{ "RSA", leaf_rsa, "snp.algorithm", "not one on P-384" },
	{ "VLEK said, VCEK given", says_vlek, "snp.signing_key", "a VLEK signed it, the certificate is of a VCEK" },
	{ "unsigned", says_none, "snp.signing_key", "no key signed it" },
	{ "reserved key", says_reserved, "snp.signing_key", "unknown kind" },
	{ "VCEK said, VLEK given", says_vcek, "snp.signing_key", "a VCEK signed it, the certificate is of a VLEK",
	  .vlek = true },
	{ "VLEKs not accepted", no_vleks, "snp.signing_key", "accepts VCEKs only", .vlek = true },
	{ "r 0", r_zero, "snp.signature_range", "is 0" },
	{ "s 0", s_zero, "snp.signature_range", "is 0" },
	{ "r too large", r_large, "snp.signature_range", "order" },
	{ "s too large", s_large, "snp.signature_range", "order" },
	{ "r the order", r_order, "snp.signature_range", "order" },
	{ "r longer than 48 bytes", r_48, "snp.signature_range", "order" },
	{ "s longer than 48 bytes", s_71, "snp.signature_range", "order" },
	{ "r just below the order", r_below_order, "snp.signature", "did not sign" },
	{ "s another", s_other, "snp.signature", "did not sign" },
	{ "measurement changed", unsigned_change, "snp.signature", "did not sign" },
	{ "by another key", stranger, "snp.signature", "did not sign" },
};

static void signature_is_checked(void)
{
	snpworld_run(signature_cases, sizeof(signature_cases) / sizeof(signature_cases[0]));
}

static const struct check checks[] = {
	{ "the form is checked", form_is_checked },
	{ "products must agree", product_is_checked },
	{ "the chain is checked", chain_is_checked },
	{ "extensions and times are checked", validity_is_checked },
	{ "the ends of a validity are within", validity_includes_its_ends },
	{ "revocation is checked", revocation_is_checked },
	{ "good lists change nothing", good_lists_change_nothing },
	{ "lists are read exactly", lists_are_read_exactly },
	{ "the signature is checked", signature_is_checked },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("snp genuine", checks);
}
