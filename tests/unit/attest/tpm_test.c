/* SPDX-License-Identifier: MIT */
/* tpm/: quotes of a TPM in software, believed when they are good, and refused by the rule that is broken when not. */
#include "check.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include <attest/attestor.h>
#include <attest/tpm/ima.h>
#include <attest/tpm/provider.h>
#include <attest/tpm/verify.h>

#include "pair.h"
#include "swtpm.h"

#define NOW INT64_C(1800000000)

static struct swtpm tpm;
static struct tpm_source source;
static struct tpm_policy policy;
static uint8_t digest[WIRE_DIGEST_LEN], evidence[BUNDLE_MAX_LEN], changed[BUNDLE_MAX_LEN];
static const uint8_t pager_digest[32] = "SHA-256 of gmem-pager's file....";
static size_t len, changed_len;
static struct verdict verdict;

static int make(uint32_t handle)
{
	source.handle = handle;
	len = sizeof(evidence);
	return tpm_make(&source, digest, evidence, &len);
}

/* A policy that takes what the TPM gives now. */
static void set_up(void)
{
	struct bundle bundle;

	memset(digest, 0x3c, sizeof(digest));
	source = (struct tpm_source){ .tcti = tpm.tcti, .ima_log = tpm.log_path };
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	x509_cert_free(policy.ca);
	memset(&policy, 0, sizeof(policy));
	policy.n_keys = 1;
	crypto_hash_sha256(policy.keys[0], bundle.items[BUNDLE_TPM_KEY].data, bundle.items[BUNDLE_TPM_KEY].len);
	for (unsigned int pcr = 0; pcr < TPM_IMA_PCR; pcr++) {
		policy.pcrs[pcr].n = 2;
		memcpy(policy.pcrs[pcr].values[1], bundle.items[BUNDLE_TPM_PCRS].data + 32 * pcr, 32);
	}
	policy.n_files = 1;
	memcpy(policy.files[0], pager_digest, sizeof(pager_digest));
}

static bool judge_log(const uint8_t *bytes, size_t bytes_len, const uint8_t *log, size_t log_len, bool follows)
{
	struct bundle bundle;
	const struct tpm_question question = {
		.bundle = &bundle, .policy = &policy, .digest = digest, .now_s = NOW, .log = log, .log_len = log_len,
		.log_follows = follows,
	};

	verdict_init(&verdict);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(bytes, bytes_len, &bundle), 0);
	tpm_verify(&question, &verdict);
	return verdict_believed(&verdict);
}

static bool judge(const uint8_t *bytes, size_t bytes_len)
{
	return judge_log(bytes, bytes_len, NULL, 0, false);
}

/* The first failure is this rule's. */
static void refused_by(const uint8_t *bytes, size_t bytes_len, const char *rule)
{
	bool believed = judge(bytes, bytes_len);
	const struct verdict_rule *failure = verdict_first_failure(&verdict);

	if (believed || strcmp(failure->name, rule))
		fprintf(stderr, "\n%s, not %s ", believed ? "believed" : failure->name, rule);
	CU_ASSERT_FALSE(believed);
	CU_ASSERT_TRUE(failure && !strcmp(failure->name, rule));
}

/* @evidence with another item. */
static void replace(enum bundle_type type, const void *bytes, size_t bytes_len)
{
	struct bundle bundle;

	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	bundle.items[type] = (struct bundle_item){ bytes, bytes_len };
	changed_len = sizeof(changed);
	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, changed, &changed_len), 0);
}

/* A copy of an item of @evidence that a test may write to. */
static struct bundle_item copy_of(enum bundle_type type, uint8_t ret_bytes[BUNDLE_MAX_LEN])
{
	struct bundle bundle;

	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	memcpy(ret_bytes, bundle.items[type].data, bundle.items[type].len);
	return (struct bundle_item){ ret_bytes, bundle.items[type].len };
}

static void a_good_quote_is_believed(void)
{
	set_up();
	CU_ASSERT_TRUE(judge(evidence, len));
	CU_ASSERT_EQUAL(verdict.n_rules, 20);
	for (size_t i = 0; i < verdict.n_rules; i++)
		CU_ASSERT_EQUAL(verdict.rules[i].outcome, VERDICT_HOLDS);
}

static void all_zeros_refuse(void)
{
	set_up();
	memset(&policy, 0, sizeof(policy));
	refused_by(evidence, len, "tpm.key");
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.report_data")->outcome, VERDICT_NOT_JUDGED);
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.files")->outcome, VERDICT_NOT_JUDGED);
}

static void bound_to_this_digest(void)
{
	set_up();
	digest[63] ^= 0x80;
	refused_by(evidence, len, "tpm.report_data");
}

static void every_byte_of_quote_and_signature_counts(void)
{
	static const enum bundle_type types[] = { BUNDLE_TPM_QUOTE, BUNDLE_TPM_SIGNATURE, BUNDLE_TPM_KEY,
	BUNDLE_TPM_PCRS,
						  BUNDLE_TPM_IMA_LOG };
	uint8_t bytes[BUNDLE_MAX_LEN];
	unsigned int n_believed = 0;

	set_up();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct bundle_item item = copy_of(types[i], bytes);

		for (size_t at = 0; at < item.len; at++) {
			/* the log's SHA-1s are not looked at, unless they are zeros */
			if (types[i] == BUNDLE_TPM_IMA_LOG && at % (4 + 20 + 4 + 6 + 4 + 4 + 40 + 4 + 15) >= 4 &&
			    at % (4 + 20 + 4 + 6 + 4 + 4 + 40 + 4 + 15) < 24)
				continue;
			bytes[at] ^= 0x10;
			replace(types[i], bytes, item.len);
			n_believed += judge(changed, changed_len);
			bytes[at] ^= 0x10;
		}
	}
	CU_ASSERT_EQUAL(n_believed, 0);
}

static void cut_structures_are_malformed(void)
{
	static const enum bundle_type types[] = { BUNDLE_TPM_QUOTE, BUNDLE_TPM_SIGNATURE, BUNDLE_TPM_KEY,
	BUNDLE_TPM_PCRS };
	uint8_t bytes[BUNDLE_MAX_LEN];

	set_up();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct bundle_item item = copy_of(types[i], bytes);

		for (size_t cut = 1; cut < item.len; cut++) {
			replace(types[i], bytes, cut);
			CU_ASSERT_FALSE(judge(changed, changed_len));
			CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.format")->outcome, VERDICT_FAILS);
		}
		bytes[item.len] = 0;
		replace(types[i], bytes, item.len + 1);
		refused_by(changed, changed_len, "tpm.format");
	}
}

static void a_key_that_signs_anything_is_refused(void)
{
	struct bundle bundle;

	set_up();
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_LOOSE), 0);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	crypto_hash_sha256(policy.keys[0], bundle.items[BUNDLE_TPM_KEY].data, bundle.items[BUNDLE_TPM_KEY].len);
	refused_by(evidence, len, "tpm.attributes");
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.key")->outcome, VERDICT_HOLDS);
}

static void other_algorithms_are_refused(void)
{
	set_up();
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_RSA), 0);
	refused_by(evidence, len, "tpm.format");
}

static void a_key_not_named_is_refused(void)
{
	set_up();
	policy.keys[0][0] ^= 1;
	refused_by(evidence, len, "tpm.key");
}

static void each_boot_pcr_counts(void)
{
	for (unsigned int pcr = 0; pcr < TPM_IMA_PCR; pcr++) {
		char rule[16];

		set_up();
		policy.pcrs[pcr].values[1][31] ^= 1;
		snprintf(rule, sizeof(rule), "tpm.pcr%u", pcr);
		refused_by(evidence, len, rule);
		policy.pcrs[pcr].any = true;
		CU_ASSERT_TRUE(judge(evidence, len));
		CU_ASSERT_EQUAL(verdict_find(&verdict, rule)->outcome, VERDICT_NOT_ASKED);
		policy.pcrs[pcr] = (struct tpm_expected){ 0 };
		refused_by(evidence, len, rule);
	}
}

static void other_values_than_quoted_are_refused(void)
{
	uint8_t bytes[BUNDLE_MAX_LEN];
	struct bundle_item item;

	set_up();
	item = copy_of(BUNDLE_TPM_PCRS, bytes);
	bytes[0] ^= 1;
	replace(BUNDLE_TPM_PCRS, bytes, item.len);
	refused_by(changed, changed_len, "tpm.values");
}

/* Entries in the log that PCR 10 does not have, and the other way round. */
static void the_log_must_be_the_quoted_one(void)
{
	static const uint8_t other[32] = "SHA-256 of another program......";
	size_t quoted_len = tpm.log_len;

	set_up();
	/* measured after the quote: it is no part of what was quoted */
	swtpm_log(&tpm, "ima-ng", "/usr/bin/later", other);
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	CU_ASSERT_TRUE(judge(evidence, len));
	tpm.log_len = quoted_len;

	replace(BUNDLE_TPM_IMA_LOG, tpm.log, quoted_len - 1);
	refused_by(changed, changed_len, "tpm.log");
	replace(BUNDLE_TPM_IMA_LOG, NULL, 0);
	refused_by(changed, changed_len, "tpm.log");
	replace(BUNDLE_TPM_IMA_LOG, tpm.log + 93 + 4, quoted_len - 93 - 4);
	refused_by(changed, changed_len, "tpm.log");
}

static void files_are_asked_for(void)
{
	static const uint8_t other[32] = "SHA-256 of another program......";

	set_up();
	swtpm_measure(&tpm, "/usr/bin/gmem-pager", pager_digest);
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	CU_ASSERT_TRUE(judge(evidence, len));
	policy.n_files = 0;
	refused_by(evidence, len, "tpm.files");
	policy.n_files = 1;
	swtpm_measure(&tpm, "/usr/bin/\x1b[31mother", other);
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	refused_by(evidence, len, "tpm.files");
	/* a terminal is told nothing */
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_find(&verdict, "tpm.files")->text, "1 of 2 files"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_find(&verdict, "tpm.files")->text, "/usr/bin/?[31mother"));
	policy.any_file = true;
	CU_ASSERT_TRUE(judge(evidence, len));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.files")->outcome, VERDICT_NOT_ASKED);
}

static void the_log_must_be_of_this_boot(void)
{
	static const uint8_t digest_of_boot[32] = "one more thing of the firmware's";

	set_up();
	swtpm_extend(&tpm, 4, digest_of_boot);
	set_up();
	policy.any_file = true;
	refused_by(evidence, len, "tpm.boot_aggregate");
}

/* ---- entries of logs, by themselves ---- */

static void entries_not_known_are_refused(void)
{
	static struct swtpm other;
	const uint8_t file[32] = { 7 };
	struct ima_entry entry;
	struct parse_reader reader;

	snprintf(other.log_path, sizeof(other.log_path), "/dev/null");
	swtpm_log(&other, "ima-sig", "/bin/x", file);
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), 0);
	CU_ASSERT_EQUAL(entry.path_len, 6);
	CU_ASSERT_EQUAL(memcmp(entry.digest, file, 32), 0);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -ENODATA);

	for (size_t cut = 1; cut < other.log_len; cut++) {
		parse_reader_init(&reader, other.log, cut);
		CU_ASSERT_EQUAL(ima_next(&reader, &entry), -EBADMSG);
	}
	other.log[4] = 0;	/* the SHA-1 */
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -ESTALE);
	other.log[4] = 1;
	other.log[0] = 11;
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -ENOTSUP);
	other.log[0] = 10;
	other.log[4 + 20 + 4 + 7 + 4 + 4 + 3] = '1';	/* "sha156" */
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -ENOTSUP);
	other.log[4 + 20 + 4 + 7 + 4 + 4 + 3] = '2';
	other.log[other.log_len - 4 - 3] = 0;	/* a NUL within the path */
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -EBADMSG);
	other.log_len = 0;
	swtpm_log(&other, "ima-buf", "/bin/x", file);
	parse_reader_init(&reader, other.log, other.log_len);
	CU_ASSERT_EQUAL(ima_next(&reader, &entry), -ENOTSUP);
}

/* ---- what no TPM would sign, by a key that says it is in one ---- */

static EVP_PKEY *forger;

/* The evidence's public area with the forger's key in it, and that key in the policy. */
static void forge_key(uint8_t ret_public[BUNDLE_MAX_LEN], size_t *ret_len)
{
	struct bundle_item item = copy_of(BUNDLE_TPM_KEY, ret_public);
	uint8_t point[65];
	size_t point_len;

	CU_ASSERT_EQUAL_FATAL(EVP_PKEY_get_octet_string_param(forger, "encoded-pub-key", point, sizeof(point),
							      &point_len), 1);
	CU_ASSERT_EQUAL_FATAL(point_len, 65);
	/* u16 32, x, u16 32, y at its end */
	memcpy(ret_public + item.len - 66, point + 1, 32);
	memcpy(ret_public + item.len - 32, point + 33, 32);
	*ret_len = item.len;
	crypto_hash_sha256(policy.keys[0], ret_public, item.len);
}

static void put_number(const BIGNUM *number, uint8_t ret_bytes[34])
{
	ret_bytes[0] = 0;
	ret_bytes[1] = 32;
	BN_bn2binpad(number, ret_bytes + 2, 32);
}

/* ECDSA in the form of a TPM's. */
static void forge_signature(const uint8_t *quote, size_t quote_len, uint8_t ret_signature[72])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t der[80];
	const uint8_t *at = der;
	size_t der_len = sizeof(der);
	ECDSA_SIG *signature;

	CU_ASSERT_EQUAL_FATAL(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, forger), 1);
	CU_ASSERT_EQUAL_FATAL(EVP_DigestSign(context, der, &der_len, quote, quote_len), 1);
	signature = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	memcpy(ret_signature, "\0\x18\0\x0b", 4);
	put_number(ECDSA_SIG_get0_r(signature), ret_signature + 4);
	put_number(ECDSA_SIG_get0_s(signature), ret_signature + 38);
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
}

/* Evidence of that key, with @quote. */
static void forge(const uint8_t *quote, size_t quote_len)
{
	uint8_t public[BUNDLE_MAX_LEN], signature[72];
	struct bundle bundle;
	size_t public_len;

	forge_key(public, &public_len);
	forge_signature(quote, quote_len, signature);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	bundle.items[BUNDLE_TPM_QUOTE] = (struct bundle_item){ quote, quote_len };
	bundle.items[BUNDLE_TPM_KEY] = (struct bundle_item){ public, public_len };
	bundle.items[BUNDLE_TPM_SIGNATURE] = (struct bundle_item){ signature, sizeof(signature) };
	changed_len = sizeof(changed);
	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, changed, &changed_len), 0);
}

/* A restricted key signs what the TPM generated only; another structure, or fewer PCRs, is no quote of ours. */
static void signed_bytes_that_are_no_quote_are_refused(void)
{
	uint8_t quote[BUNDLE_MAX_LEN];
	struct bundle_item item;
	size_t selection;

	forger = EVP_EC_gen("P-256");
	set_up();
	item = copy_of(BUNDLE_TPM_QUOTE, quote);
	forge(quote, item.len);
	CU_ASSERT_TRUE(judge(changed, changed_len));	/* the forgery itself is well made */
	for (size_t at = 0; at < 6; at++) {		/* magic and type */
		quote[at] ^= 1;
		forge(quote, item.len);
		refused_by(changed, changed_len, "tpm.format");
		quote[at] ^= 1;
	}
	/* at the end: u32 1, u16 bank, u8 3, three bytes of PCRs, u16 32, digest */
	selection = item.len - 34 - 3;
	CU_ASSERT_EQUAL_FATAL(quote[selection], 0xff);
	for (size_t bit = 0; bit < 24; bit++) {
		quote[selection + bit / 8] ^= (uint8_t)(1u << bit % 8);
		forge(quote, item.len);
		refused_by(changed, changed_len, "tpm.selection");
		quote[selection + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	quote[selection - 2] = 4;			/* the SHA-1 bank */
	forge(quote, item.len);
	refused_by(changed, changed_len, "tpm.format");
	EVP_PKEY_free(forger);
}

/* ---- certificates of attestation keys ---- */

static EVP_PKEY *ca_key;

static EVP_PKEY *key_of_evidence(void)
{
	struct bundle bundle;
	struct tpm_public public;
	uint8_t point[65] = { 4 };
	EVP_PKEY *key = NULL;
	EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	const uint8_t *at = point;

	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL_FATAL(tpm_public_parse(bundle.items[BUNDLE_TPM_KEY].data, bundle.items[BUNDLE_TPM_KEY].len,
					       &public), 0);
	memcpy(point + 1, public.key, 64);
	CU_ASSERT_PTR_NOT_NULL_FATAL(o2i_ECPublicKey(&ec, &at, sizeof(point)));
	key = EVP_PKEY_new();
	CU_ASSERT_EQUAL_FATAL(EVP_PKEY_assign_EC_KEY(key, ec), 1);
	return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CU_ASSERT_PTR_NOT_NULL_FATAL(extension);
	CU_ASSERT_EQUAL_FATAL(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* DER in @ret_der; its length. */
static size_t issue(const char *subject, EVP_PKEY *key, bool is_ca, const char *usage, int64_t not_after,
		    uint8_t ret_der[2048])
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	uint8_t *at = ret_der;
	int der_len;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), is_ca ? 1 : 2);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)subject, -1, -1, 0);
	name = X509_get_issuer_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"AK CA", -1, -1, 0);
	ASN1_TIME_set(X509_getm_notBefore(cert), NOW - 1000);
	ASN1_TIME_set(X509_getm_notAfter(cert), not_after);
	X509_set_pubkey(cert, key);
	if (is_ca) {
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(cert, NID_key_usage, "critical,keyCertSign");
	}
	if (usage)
		add_extension(cert, NID_ext_key_usage, usage);
	CU_ASSERT_TRUE_FATAL(X509_sign(cert, ca_key, EVP_sha256()) > 0);
	der_len = i2d_X509(cert, &at);
	CU_ASSERT_TRUE_FATAL(der_len > 0 && der_len < 2048);
	X509_free(cert);
	return (size_t)der_len;
}

static void a_certified_key_is_believed(void)
{
	uint8_t der[2048];
	EVP_PKEY *own, *other = EVP_EC_gen("P-256");
	size_t der_len;

	ca_key = EVP_EC_gen("P-256");
	set_up();
	own = key_of_evidence();
	policy.n_keys = 0;
	der_len = issue("AK CA", ca_key, true, NULL, NOW + 1000, der);
	CU_ASSERT_EQUAL_FATAL(x509_cert_parse(der, der_len, &policy.ca), 0);
	refused_by(evidence, len, "tpm.key");	/* no certificate */

	source.certificate = der;
	source.certificate_len = issue("AK", own, false, "2.23.133.8.3", NOW + 1000, der);
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	CU_ASSERT_TRUE(judge(evidence, len));

	replace(BUNDLE_TPM_CERTIFICATE, der, issue("AK", own, false, "2.23.133.8.3", NOW - 1, der));
	refused_by(changed, changed_len, "tpm.key");
	replace(BUNDLE_TPM_CERTIFICATE, der, issue("AK", other, false, "2.23.133.8.3", NOW + 1000, der));
	refused_by(changed, changed_len, "tpm.key");
	replace(BUNDLE_TPM_CERTIFICATE, der, issue("AK", own, false, "serverAuth", NOW + 1000, der));
	refused_by(changed, changed_len, "tpm.key");
	replace(BUNDLE_TPM_CERTIFICATE, der, issue("AK", own, false, NULL, NOW + 1000, der));
	refused_by(changed, changed_len, "tpm.key");
	replace(BUNDLE_TPM_CERTIFICATE, "no certificate", 14);
	refused_by(changed, changed_len, "tpm.key");
	EVP_PKEY_free(ca_key);
	ca_key = other;		/* another CA of the same name */
	replace(BUNDLE_TPM_CERTIFICATE, der, issue("AK", own, false, "2.23.133.8.3", NOW + 1000, der));
	refused_by(changed, changed_len, "tpm.key");
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
}

/* ---- a log of more than a message ---- */

static uint8_t *take_log(size_t *ret_len)
{
	uint8_t *log = NULL;

	CU_ASSERT_EQUAL_FATAL(tpm_log(&source, evidence, len, &log, ret_len), 0);
	return log;
}

/* A host that measures every file: some hundred KiB, of which the quote covers all but the last. */
static void a_long_log_follows(void)
{
	static const uint8_t other[32] = "SHA-256 of another program......";
	size_t log_len, quoted_len;
	uint8_t *log;

	/* booted afresh */
	swtpm_stop(&tpm);
	CU_ASSERT_TRUE_FATAL(swtpm_start(&tpm));
	set_up();
	swtpm_measure_many(&tpm, "/usr/lib/x86_64-linux-gnu/libsomething-of-the-system.so.1", pager_digest, 2000);
	quoted_len = tpm.log_len;
	swtpm_log(&tpm, "ima-ng", "/usr/bin/later", other);
	CU_ASSERT_TRUE(quoted_len > 200000);
	CU_ASSERT_EQUAL_FATAL(make(SWTPM_AK), 0);
	log = take_log(&log_len);
	CU_ASSERT_EQUAL_FATAL(log_len, quoted_len);
	CU_ASSERT_EQUAL(memcmp(log, tpm.log, log_len), 0);

	/* without the log it is refused, unless a log is to come */
	refused_by(evidence, len, "tpm.log");
	CU_ASSERT_TRUE(judge_log(evidence, len, NULL, 0, true));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.files")->outcome, VERDICT_NOT_ASKED);
	CU_ASSERT_TRUE(judge_log(evidence, len, log, log_len, false));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.files")->outcome, VERDICT_HOLDS);
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_find(&verdict, "tpm.files")->text, "2000 files"));
	/* another log, or a part of it; also when its hash would be announced */
	CU_ASSERT_FALSE(judge_log(evidence, len, log, log_len - 1, false));
	log[log_len - 1] ^= 1;
	CU_ASSERT_FALSE(judge_log(evidence, len, log, log_len, true));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.log")->outcome, VERDICT_FAILS);
	log[log_len - 1] ^= 1;
	memset(policy.files, 0, sizeof(policy.files));
	CU_ASSERT_FALSE(judge_log(evidence, len, log, log_len, false));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_find(&verdict, "tpm.files")->text, "2000 of 2000 files"));
	/* the rest is judged before the log is asked for */
	digest[0] ^= 1;
	CU_ASSERT_FALSE(judge_log(evidence, len, NULL, 0, true));
	free(log);
}

static int64_t fixed_now(void)
{
	return NOW;
}

/* Both sides are that host: quotes, 228 KiB of log each way, ACCEPT. */
static void a_handshake_with_long_logs(void)
{
	static struct attest_policy both = { .kinds = 1u << BUNDLE_TPM };
	static struct trust trust;
	struct attestor attestor[2];
	struct pair pair;

	set_up();
	pair_init(&pair, 0);
	for (unsigned int variant = 0; variant < 2; variant++) {
		both.tpm = policy;
		if (variant == 1)	/* all but a file of the log is good */
			both.tpm.files[0][0] ^= 1;
		for (int side = 0; side < 2; side++) {
			attestor[side] = (struct attestor){
				.kind = ATTESTOR_TPM, .tpm = source, .policy = &both, .trust = &trust,
				.peer_key = pair.pinned[side], .now_s = fixed_now,
			};
			pair.config[side].evidence = &attestor_ops;
			pair.config[side].evidence_opaque = &attestor[side];
		}
		pair_start(&pair);
		CU_ASSERT_EQUAL(pair_run(&pair, NULL, NULL), variant == 0);
		CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], variant == 0 ? 0 : -EACCES);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[PAIR_INITIATOR]), "2000 of 2000 files"));
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[PAIR_RESPONDER]), "refused"));
	pair_fini(&pair);
}

/* A bundle that names a log of its own making: the hash agrees, PCR 10 does not. */
static void an_announced_log_must_be_the_quoted_one(void)
{
	uint8_t announced[BUNDLE_LONG_LOG_LEN], *log;
	struct bundle bundle;
	size_t log_len;

	set_up();
	log = take_log(&log_len);
	log[4 + 20 + 4 + 6 + 4 + 4 + 8] ^= 1;		/* a digest in the first entry */
	memcpy(announced, (uint8_t[]){ (uint8_t)log_len, (uint8_t)(log_len >> 8), (uint8_t)(log_len >> 16), 0 }, 4);
	crypto_hash_sha256(announced + 4, log, log_len);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	bundle.items[BUNDLE_TPM_LONG_LOG] = (struct bundle_item){ announced, sizeof(announced) };
	changed_len = sizeof(changed);
	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, changed, &changed_len), 0);
	CU_ASSERT_FALSE(judge_log(changed, changed_len, log, log_len, false));
	CU_ASSERT_EQUAL(verdict_find(&verdict, "tpm.log")->outcome, VERDICT_FAILS);
	/* both kinds of log, or a length that is none, are no bundle */
	bundle.items[BUNDLE_TPM_IMA_LOG] = (struct bundle_item){ log, 100 };
	changed_len = sizeof(changed);
	CU_ASSERT_EQUAL(bundle_write(&bundle, changed, &changed_len), -EINVAL);
	free(log);
}

static void what_the_provider_cannot_do_it_says(void)
{
	set_up();
	CU_ASSERT_EQUAL(make(0x81019999), -ENOKEY);
	source.tcti = "swtpm:path=/tmp/gmem-test-no-such-socket";
	CU_ASSERT_EQUAL(make(SWTPM_AK), -ENODEV);
	source.tcti = tpm.tcti;
	source.ima_log = "/tmp/gmem-test-no-such-log";
	CU_ASSERT_EQUAL(make(SWTPM_AK), -ENOENT);
	source.ima_log = "/dev/zero";	/* longer than evidence may be */
	CU_ASSERT_EQUAL(make(SWTPM_AK), -EFBIG);
}

int main(void)
{
	static const struct check checks[] = {
		{ "a good quote is believed", a_good_quote_is_believed },
		{ "all zeros refuse", all_zeros_refuse },
		{ "bound to this digest", bound_to_this_digest },
		{ "every byte of quote and signature counts", every_byte_of_quote_and_signature_counts },
		{ "cut structures are malformed", cut_structures_are_malformed },
		{ "a key that signs anything is refused", a_key_that_signs_anything_is_refused },
		{ "other algorithms are refused", other_algorithms_are_refused },
		{ "a key not named is refused", a_key_not_named_is_refused },
		{ "each boot PCR counts", each_boot_pcr_counts },
		{ "other values than quoted are refused", other_values_than_quoted_are_refused },
		{ "the log must be the quoted one", the_log_must_be_the_quoted_one },
		{ "signed bytes that are no quote are refused", signed_bytes_that_are_no_quote_are_refused },
		{ "a certified key is believed", a_certified_key_is_believed },
		{ "files are asked for", files_are_asked_for },
		{ "what the provider cannot do it says", what_the_provider_cannot_do_it_says },
		{ "entries not known are refused", entries_not_known_are_refused },
		{ "the log must be of this boot", the_log_must_be_of_this_boot },
		{ "a long log follows", a_long_log_follows },
		{ "a handshake with long logs", a_handshake_with_long_logs },
		{ "an announced log must be the quoted one", an_announced_log_must_be_the_quoted_one },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init())
		return EXIT_FAILURE;
	if (!swtpm_start(&tpm)) {
		printf("skipped: no swtpm on this machine\n");
		return 77;
	}
	ret = check_main("tpm", checks);
	x509_cert_free(policy.ca);
	swtpm_stop(&tpm);
	return ret;
}
