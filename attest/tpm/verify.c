/* SPDX-License-Identifier: MIT */
/*
 * verify: see verify.h.  What rests on what:
 *
 *   format -> key -> signature -> data, PCR values -> boot PCRs, log -> boot aggregate, files
 */
#include "verify.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ima.h"

#define PATH_TEXT_LEN 81u

struct judging {
	const struct tpm_question *question;
	const struct bundle *bundle;
	const struct tpm_policy *policy;
	struct bundle_item log;		/* in the bundle, or the one that it announces */
	struct verdict *verdict;
	struct tpm_public public;
	struct tpm_quote quote;
	uint8_t signature[64];
	const uint8_t *pcrs;		/* TPM_N_PCRS values */
	size_t log_len;			/* of the part of the log that was quoted */
};

/* In the order of judging; the PCRs' are made by number. */
static const char *const rules[] = {
	"tpm.format", "tpm.attributes", "tpm.key", "tpm.signature", "tpm.report_data", "tpm.selection", "tpm.values",
	"tpm.pcr0", "tpm.pcr1", "tpm.pcr2", "tpm.pcr3", "tpm.pcr4", "tpm.pcr5", "tpm.pcr6", "tpm.pcr7", "tpm.pcr8",
	"tpm.pcr9", "tpm.log", "tpm.boot_aggregate", "tpm.files",
};

void tpm_qualifying(const uint8_t digest[WIRE_DIGEST_LEN], uint8_t ret_qualifying[TPM_HASH_LEN])
{
	crypto_hash_sha256(ret_qualifying, digest, WIRE_DIGEST_LEN);
}

static bool judge_format(struct judging *judging)
{
	const struct bundle_item *items = judging->bundle->items;
	bool public = !tpm_public_parse(items[BUNDLE_TPM_KEY].data, items[BUNDLE_TPM_KEY].len, &judging->public);
	bool quote = !tpm_quote_parse(items[BUNDLE_TPM_QUOTE].data, items[BUNDLE_TPM_QUOTE].len, &judging->quote);
	bool signature = !tpm_signature_parse(items[BUNDLE_TPM_SIGNATURE].data, items[BUNDLE_TPM_SIGNATURE].len,
					      judging->signature);
	bool pcrs = items[BUNDLE_TPM_PCRS].len == TPM_N_PCRS * TPM_HASH_LEN;

	judging->pcrs = items[BUNDLE_TPM_PCRS].data;
	return verdict_judge(judging->verdict, "tpm.format", public && quote && signature && pcrs,
			     "an ECDSA P-256 SHA-256 attestation key (%s), a quote of the SHA-256 bank (%s), its signature "
			     "(%s) and %u PCR values (%s) are needed", public ? "is there" : "is not",
			     quote ? "is there" : "is not", signature ? "is there" : "is not", TPM_N_PCRS,
			     pcrs ? "are there" : "are not");
}

/* Only a key that the TPM made, keeps, and signs nothing with but its own statements. */
static bool judge_attributes(struct judging *judging)
{
	const uint32_t wanted = TPM_FIXED_TPM | TPM_FIXED_PARENT | TPM_SENSITIVE_DATA_ORIGIN | TPM_RESTRICTED |
				TPM_SIGN;
	uint32_t attributes = judging->public.attributes;

	return verdict_judge(judging->verdict, "tpm.attributes", (attributes & (wanted | TPM_DECRYPT)) == wanted,
			     "the key must be a restricted signing key that was made in its TPM and cannot leave it; "
			     "attributes are 0x%x", attributes);
}

static bool is_named_key(const struct judging *judging)
{
	const struct bundle_item *key = &judging->bundle->items[BUNDLE_TPM_KEY];
	uint8_t name[TPM_HASH_LEN];

	crypto_hash_sha256(name, key->data, key->len);
	for (size_t i = 0; i < judging->policy->n_keys; i++)
		if (!memcmp(judging->policy->keys[i], name, sizeof(name)))
			return true;
	return false;
}

/* Extended key usage tcg-kp-AIKCertificate, 2.23.133.8.3: the CA may issue certificates for anything else, too. */
static bool is_for_attestation(const struct x509_cert *cert)
{
	static const uint8_t oid[] = { 0x06, 0x05, 0x67, 0x81, 0x05, 0x08, 0x03 };
	const uint8_t *der;
	size_t len;

	return !x509_cert_extension(cert, "2.5.29.37", &der, &len) && memmem(der, len, oid, sizeof(oid));
}

/* Does the CA of the policy say that the key which signed the quote is an attestation key?  NULL, or why not. */
static const char *certificate_problem(const struct judging *judging, int64_t now_s)
{
	const struct bundle_item *items = judging->bundle->items, *item = &items[BUNDLE_TPM_CERTIFICATE];
	const struct x509_cert *chain[2];
	struct x509_cert *cert = NULL;
	enum x509_problem problem;
	const char *why = NULL;

	if (!judging->policy->ca)
		return "the policy names no CA";
	if (!item->data || x509_cert_parse(item->data, item->len, &cert))
		return "there is no certificate";
	chain[0] = cert;
	chain[1] = judging->policy->ca;
	problem = x509_chain_check(chain, 2, judging->policy->ca, X509_ECDSA_P256_SHA256, now_s, NULL);
	if (problem != X509_OK)
		why = x509_problem_text(problem);
	else if (!is_for_attestation(cert))
		why = "its certificate is not for an attestation key";
	else if (!x509_ecdsa_verify(cert, X509_P256, judging->signature, judging->signature + 32,
				    items[BUNDLE_TPM_QUOTE].data, items[BUNDLE_TPM_QUOTE].len))
		why = "its certificate is for another key";
	x509_cert_free(cert);
	return why;
}

static bool judge_key(struct judging *judging, int64_t now_s)
{
	bool named = is_named_key(judging);
	const char *why = named ? NULL : certificate_problem(judging, now_s);

	return verdict_judge(judging->verdict, "tpm.key", !why,
			     "the attestation key must be one that the policy names, or "
			     "certified by its CA: %s", named ? "it is named" : why ? why : "it is certified");
}

static bool judge_signature(struct judging *judging)
{
	const struct bundle_item *quote = &judging->bundle->items[BUNDLE_TPM_QUOTE];

	return verdict_judge(judging->verdict, "tpm.signature",
			     x509_ecdsa_verify_raw(judging->public.key, judging->signature, quote->data, quote->len),
			     "the attestation key must have signed the quote");
}

static void judge_data(struct judging *judging, const uint8_t digest[WIRE_DIGEST_LEN])
{
	uint8_t wanted[TPM_HASH_LEN];

	tpm_qualifying(digest, wanted);
	verdict_judge(judging->verdict, "tpm.report_data", judging->quote.data_len == sizeof(wanted) &&
		      !sodium_memcmp(judging->quote.data, wanted, sizeof(wanted)),
		      "the quote must be bound to this connection");
}

/* Are the values in the bundle those that were quoted? */
static bool judge_values(struct judging *judging)
{
	uint8_t digest[TPM_HASH_LEN];
	bool selected;

	selected = verdict_judge(judging->verdict, "tpm.selection", judging->quote.selection == TPM_PCR_MASK,
				 "PCRs 0 to 10 must be quoted; the mask is 0x%x", judging->quote.selection);
	if (!selected)
		return false;
	crypto_hash_sha256(digest, judging->pcrs, TPM_N_PCRS * TPM_HASH_LEN);
	return verdict_judge(judging->verdict, "tpm.values", !memcmp(digest, judging->quote.digest, sizeof(digest)),
			     "the PCR values must be the ones that were quoted");
}

static void judge_pcr(struct judging *judging, unsigned int pcr)
{
	const struct tpm_expected *expected = &judging->policy->pcrs[pcr];
	const uint8_t *value = judging->pcrs + pcr * TPM_HASH_LEN;
	char name[16], hex[2 * TPM_HASH_LEN + 1];
	bool holds = false;

	snprintf(name, sizeof(name), "tpm.pcr%u", pcr);
	sodium_bin2hex(hex, sizeof(hex), value, TPM_HASH_LEN);
	if (expected->any) {
		verdict_add(judging->verdict, name, VERDICT_NOT_ASKED, "any value will do; it is %s", hex);
		return;
	}
	for (size_t i = 0; i < expected->n; i++)
		holds |= !memcmp(expected->values[i], value, TPM_HASH_LEN);
	verdict_judge(judging->verdict, name, holds, "must have one of %zu values; it is %s", expected->n, hex);
}

static bool judge_log(struct judging *judging)
{
	const char *found;
	int ret;

	ret = ima_replay(judging->log.data, judging->log.len, judging->pcrs + TPM_IMA_PCR * TPM_HASH_LEN, &judging->log_len);
	switch (ret) {
	case 0:
		found = "it does";
		break;
	case -ENOENT:
		found = "it does not";
		break;
	case -ENOTSUP:
		found = "it has an entry of a template, hash or PCR not known here";
		break;
	case -ESTALE:
		found = "it has a violation: a file changed while it was measured";
		break;
	default:
		found = "it is malformed";
	}
	return verdict_judge(judging->verdict, "tpm.log", !ret, "the IMA log, replayed, must give PCR 10: %s", found);
}

/* The log's first entry stands for PCRs 0 to 9: it ties the log to this boot. */
static void judge_aggregate(struct judging *judging, const struct ima_entry *first)
{
	static const char path[] = "boot_aggregate";
	uint8_t digest[TPM_HASH_LEN];

	crypto_hash_sha256(digest, judging->pcrs, TPM_IMA_PCR * TPM_HASH_LEN);
	verdict_judge(judging->verdict, "tpm.boot_aggregate", first->path_len == strlen(path) &&
		      !memcmp(first->path, path, first->path_len) && !memcmp(first->digest, digest, sizeof(digest)),
		      "the log's first entry must be boot_aggregate with SHA-256 of PCRs 0 to 9");
}

static bool is_known_file(const struct tpm_policy *policy, const uint8_t digest[TPM_HASH_LEN])
{
	for (size_t i = 0; i < policy->n_files; i++)
		if (!memcmp(policy->files[i], digest, TPM_HASH_LEN))
			return true;
	return false;
}

/* A path of the peer's goes to terminals and logs. */
static void show_path(const struct ima_entry *entry, char ret_text[PATH_TEXT_LEN])
{
	size_t len = entry->path_len < PATH_TEXT_LEN - 1 ? entry->path_len : PATH_TEXT_LEN - 1;

	for (size_t i = 0; i < len; i++)
		ret_text[i] = entry->path[i] >= 0x20 && entry->path[i] <= 0x7e ? entry->path[i] : '?';
	ret_text[len] = '\0';
}

static void judge_files(struct judging *judging, struct parse_reader *log)
{
	char path[PATH_TEXT_LEN] = "";
	size_t n = 0, n_unknown = 0;
	struct ima_entry entry;

	for (; !ima_next(log, &entry); n++)
		if (!is_known_file(judging->policy, entry.digest) && !n_unknown++)
			show_path(&entry, path);
	if (judging->policy->any_file)
		verdict_add(judging->verdict, "tpm.files", VERDICT_NOT_ASKED, "any file will do; the log names %zu", n);
	else if (!n_unknown)
		verdict_add(judging->verdict, "tpm.files", VERDICT_HOLDS,
			    "each of the %zu files in the log is one that "
			    "the policy names", n);
	else
		verdict_add(judging->verdict, "tpm.files", VERDICT_FAILS, "%zu of %zu files in the log are not in the "
			    "policy, first %s", n_unknown, n, path);
}

static void judge_entries(struct judging *judging)
{
	struct parse_reader log;
	struct ima_entry first;

	parse_reader_init(&log, judging->log.data, judging->log_len);
	if (ima_next(&log, &first))
		return;
	judge_aggregate(judging, &first);
	judge_files(judging, &log);
}

/* A log that is announced: is it here, and the one?  true: judge what rests on it. */
static bool find_log(struct judging *judging)
{
	static const char *const open[] = { "tpm.log", "tpm.boot_aggregate", "tpm.files" };
	const struct tpm_question *question = judging->question;
	const struct bundle_item *announced = &judging->bundle->items[BUNDLE_TPM_LONG_LOG];
	struct parse_reader reader;
	uint8_t hash[TPM_HASH_LEN];
	uint32_t len;

	judging->log = judging->bundle->items[BUNDLE_TPM_IMA_LOG];
	if (!announced->data)
		return true;
	parse_reader_init(&reader, announced->data, announced->len);
	len = parse_u32(&reader);
	if (!question->log && question->log_follows) {
		for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
			verdict_add(judging->verdict, open[i], VERDICT_NOT_ASKED,
				    "is judged when the log of %u bytes is here, which follows the evidence", len);
		return false;
	}
	judging->log = (struct bundle_item){ question->log, question->log_len };
	if (question->log)
		crypto_hash_sha256(hash, question->log, question->log_len);
	if (question->log && question->log_len == len && !memcmp(hash, parse_take(&reader, sizeof(hash)), sizeof(hash)))
		return true;
	return verdict_judge(judging->verdict, "tpm.log", false, "the IMA log of %u bytes that the evidence announces must be "
			     "here: %s", len, question->log ? "it is another one" : "it is not");
}

static void judge(struct judging *judging)
{
	bool attributes, key;

	if (!judge_format(judging))
		return;
	attributes = judge_attributes(judging);
	key = judge_key(judging, judging->question->now_s);
	if (!judge_signature(judging) || !attributes || !key)
		return;
	judge_data(judging, judging->question->digest);
	if (!judge_values(judging))
		return;
	for (unsigned int pcr = 0; pcr < TPM_IMA_PCR; pcr++)
		judge_pcr(judging, pcr);
	if (find_log(judging) && judge_log(judging))
		judge_entries(judging);
}

void tpm_verify(const struct tpm_question *question, struct verdict *verdict)
{
	struct judging judging = {
		.question = question, .bundle = question->bundle, .policy = question->policy, .verdict = verdict,
	};

	judge(&judging);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!verdict_find(verdict, rules[i]))
			verdict_add(verdict, rules[i], VERDICT_NOT_JUDGED, "needs what was found wrong before");
}
