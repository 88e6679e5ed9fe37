/* SPDX-License-Identifier: MIT */
/* fuzz_bundle: evidence in its container, and the verifiers that need nothing but it.  One encoding; never believed. */
#include <string.h>

#include <attest/bundle.h>
#include <attest/software.h>
#include <attest/tpm/verify.h>

#include "fixed.h"
#include "fuzz.h"

static struct signkey *key;
static struct software_policy software;
static struct tpm_policy tpm;
static const uint8_t digest[WIRE_DIGEST_LEN] = "what nobody signed";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init());
	FUZZ_NEED(!signkey_generate(&key));
	software.allow = true;
	software.n_keys = 1;
	memcpy(software.keys[0], signkey_public(key), SIGNKEY_LEN);
	for (size_t i = 0; i < TPM_IMA_PCR; i++)
		tpm.pcrs[i].any = true;
	tpm.any_file = true;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[BUNDLE_MAX_LEN];
	size_t len = sizeof(again);
	struct verdict verdict;
	struct bundle bundle;
	const struct tpm_question question = {
		.bundle = &bundle, .policy = &tpm, .digest = digest, .now_s = 1800000000,
	};
	uint8_t hash[32];
	uint32_t log_len;

	if (bundle_parse(data, size, &bundle))
		return 0;
	FUZZ_NEED(size <= BUNDLE_MAX_LEN && strcmp(bundle_kind_name(bundle.kind), "?"));
	FUZZ_NEED(!bundle_write(&bundle, again, &len) && len == size && !memcmp(again, data, size));
	verdict_init(&verdict);
	if (bundle.kind == BUNDLE_SOFTWARE)
		software_verify(&bundle, &software, digest, &verdict);
	else if (bundle.kind == BUNDLE_TPM)
		tpm_verify(&question, &verdict);
	FUZZ_NEED(!verdict_believed(&verdict));
	FUZZ_NEED(bundle_long_log(data, size, &log_len, hash) == !!bundle.items[BUNDLE_TPM_LONG_LOG].data);
	FUZZ_NEED(bundle.kind != BUNDLE_TPM || verdict.n_rules == 20);
	return 0;
}

static void emit_bundle(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
			enum bundle_kind kind, const enum bundle_type *types)
{
	static const uint8_t zeros[400];
	struct bundle bundle = { .kind = kind };
	uint8_t bytes[BUNDLE_MAX_LEN];
	size_t len = sizeof(bytes);

	for (; *types; types++)
		bundle.items[*types] = (struct bundle_item){ zeros, *types == BUNDLE_TPM_PCRS ? 352 : 64 };
	FUZZ_NEED(!bundle_write(&bundle, bytes, &len));
	emit(name, bytes, len);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const enum bundle_type snp[] = { BUNDLE_SNP_EVIDENCE, 0 }, tdx[] = { BUNDLE_TDX_QUOTE, 0 };
	static const enum bundle_type all[] = { BUNDLE_TPM_QUOTE, BUNDLE_TPM_SIGNATURE, BUNDLE_TPM_KEY,
	BUNDLE_TPM_CERTIFICATE,
						BUNDLE_TPM_PCRS, BUNDLE_TPM_IMA_LOG, 0 };
	uint8_t bytes[BUNDLE_MAX_LEN];
	size_t len = sizeof(bytes);

	FUZZ_NEED(!software_make(key, (const uint8_t[WIRE_DIGEST_LEN]){ 1 }, bytes, &len));
	emit("software", bytes, len);
	emit("cut", bytes, len - 1);
	emit_bundle(emit, "snp", BUNDLE_SNP, snp);
	emit_bundle(emit, "tdx", BUNDLE_TDX, tdx);
	emit_bundle(emit, "tpm", BUNDLE_TPM, all);
}
