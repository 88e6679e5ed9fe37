/* SPDX-License-Identifier: MIT */
/* provider: see provider.h. */
#include "provider.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include "../file.h"
#include "../parse.h"
#include "ima.h"
#include "structs.h"
#include "verify.h"

#define MAX_TRIES 5

struct taken {				/* from the TPM, in its own form */
	uint8_t quote[sizeof(TPMS_ATTEST)], signature[sizeof(TPMT_SIGNATURE)], key[sizeof(TPMT_PUBLIC)];
	size_t quote_len, signature_len, key_len;
	uint8_t pcrs[TPM_N_PCRS][TPM_HASH_LEN];
};

static void select_pcrs(uint32_t mask, TPML_PCR_SELECTION *ret_selection)
{
	*ret_selection = (TPML_PCR_SELECTION){ .count = 1 };
	ret_selection->pcrSelections[0] = (TPMS_PCR_SELECTION){
		.hash = TPM2_ALG_SHA256, .sizeofSelect = 3,
		.pcrSelect = { (BYTE)mask, (BYTE)(mask >> 8), (BYTE)(mask >> 16) },
	};
}

static int read_pcr(ESYS_CONTEXT *esys, unsigned int pcr, uint8_t ret_value[TPM_HASH_LEN])
{
	TPML_PCR_SELECTION selection, *read_selection = NULL;
	TPML_DIGEST *values = NULL;
	int ret = -EIO;

	select_pcrs(1u << pcr, &selection);
	if (Esys_PCR_Read(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &selection, NULL, &read_selection, &values))
		return -EIO;
	if (values->count == 1 && values->digests[0].size == TPM_HASH_LEN) {
		memcpy(ret_value, values->digests[0].buffer, TPM_HASH_LEN);
		ret = 0;
	}
	Esys_Free(read_selection);
	Esys_Free(values);
	return ret;
}

static int take_quote(ESYS_CONTEXT *esys, ESYS_TR key, const uint8_t qualifying[TPM_HASH_LEN], struct taken *taken)
{
	const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
	TPM2B_DATA data = { .size = TPM_HASH_LEN };
	TPMT_SIGNATURE *signature = NULL;
	TPML_PCR_SELECTION selection;
	TPM2B_ATTEST *quote = NULL;
	int ret = -EIO;

	memcpy(data.buffer, qualifying, TPM_HASH_LEN);
	select_pcrs(TPM_PCR_MASK, &selection);
	if (Esys_Quote(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &scheme, &selection, &quote,
		       &signature))
		return -EIO;
	taken->signature_len = 0;
	if (quote->size <= sizeof(taken->quote) &&
	    !Tss2_MU_TPMT_SIGNATURE_Marshal(signature, taken->signature, sizeof(taken->signature),
					    &taken->signature_len)) {
		memcpy(taken->quote, quote->attestationData, quote->size);
		taken->quote_len = quote->size;
		ret = 0;
	}
	Esys_Free(quote);
	Esys_Free(signature);
	return ret;
}

static int take_key(ESYS_CONTEXT *esys, ESYS_TR key, struct taken *taken)
{
	TPM2B_PUBLIC *public = NULL;
	int ret = 0;

	if (Esys_ReadPublic(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL))
		return -EIO;
	if (Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, taken->key, sizeof(taken->key), &taken->key_len))
		ret = -EIO;
	Esys_Free(public);
	return ret;
}

/* Values are read after the quote, and may have been extended since. */
static int take_matching(ESYS_CONTEXT *esys, ESYS_TR key, const uint8_t qualifying[TPM_HASH_LEN], struct taken *taken)
{
	uint8_t digest[TPM_HASH_LEN];
	struct tpm_quote quote;
	int ret;

	for (int i = 0; i < MAX_TRIES; i++) {
		ret = take_quote(esys, key, qualifying, taken);
		for (unsigned int pcr = 0; !ret && pcr < TPM_N_PCRS; pcr++)
			ret = read_pcr(esys, pcr, taken->pcrs[pcr]);
		if (!ret)
			ret = tpm_quote_parse(taken->quote, taken->quote_len, &quote) ? -EIO : 0;
		if (ret)
			return ret;
		crypto_hash_sha256(digest, taken->pcrs[0], sizeof(taken->pcrs));
		if (!memcmp(digest, quote.digest, sizeof(digest)))
			return 0;
	}
	return -EAGAIN;
}

/* tpm2-tss on a device: write, poll, read. */
/* syscalls: close fcntl openat poll ppoll read write */
static int take(const struct tpm_source *source, const uint8_t qualifying[TPM_HASH_LEN], struct taken *ret_taken)
{
	TSS2_TCTI_CONTEXT *tcti = NULL;
	ESYS_CONTEXT *esys = NULL;
	ESYS_TR key = ESYS_TR_NONE;
	int ret = -ENODEV;

	if (Tss2_TctiLdr_Initialize(source->tcti, &tcti))
		return -ENODEV;
	if (Esys_Initialize(&esys, tcti, NULL))
		goto out_tcti;
	ret = -ENOKEY;
	if (Esys_TR_FromTPMPublic(esys, source->handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key))
		goto out_esys;
	ret = take_key(esys, key, ret_taken);
	if (!ret)
		ret = take_matching(esys, key, qualifying, ret_taken);
	Esys_TR_Close(esys, &key);
out_esys:
	Esys_Finalize(&esys);
out_tcti:
	Tss2_TctiLdr_Finalize(&tcti);
	return ret;
}

static const char *log_path(const struct tpm_source *source)
{
	return source->ima_log ? source->ima_log : TPM_PROVIDER_IMA_LOG;
}

/* The log as it is now, up to the entry that gave the quoted PCR; whole if none did: the verifier says why. */
static int read_log(const struct tpm_source *source, const struct taken *taken, uint8_t **ret_log, size_t *ret_len)
{
	size_t quoted_len;
	int ret;

	ret = file_read(log_path(source), TPM_PROVIDER_LOG_FILE_MAX, ret_log, ret_len);
	if (!ret && !ima_replay(*ret_log, *ret_len, taken->pcrs[TPM_IMA_PCR], &quoted_len))
		*ret_len = quoted_len;
	return ret;
}

int tpm_log(const struct tpm_source *source, const uint8_t *evidence, size_t len, uint8_t **ret_log,
	    size_t *ret_log_len)
{
	uint8_t hash[TPM_HASH_LEN];
	uint32_t announced;
	int ret;

	if (!bundle_long_log(evidence, len, &announced, hash))
		return -EINVAL;
	ret = file_read(log_path(source), TPM_PROVIDER_LOG_FILE_MAX, ret_log, ret_log_len);
	if (!ret && *ret_log_len > announced)
		*ret_log_len = announced;	/* it only grows */
	return ret;
}

/* Within the evidence, or after it. */
static int announce_log(struct bundle *bundle, const uint8_t *log, size_t log_len,
			uint8_t ret_announced[BUNDLE_LONG_LOG_LEN])
{
	struct parse_writer writer;

	if (log_len > WIRE_LOG_MAX)
		return -EFBIG;
	parse_writer_init(&writer, ret_announced, BUNDLE_LONG_LOG_LEN);
	parse_put_u32(&writer, (uint32_t)log_len);
	crypto_hash_sha256(parse_put(&writer, TPM_HASH_LEN), log, log_len);
	bundle->items[BUNDLE_TPM_IMA_LOG] = (struct bundle_item){ NULL, 0 };
	bundle->items[BUNDLE_TPM_LONG_LOG] = (struct bundle_item){ ret_announced, BUNDLE_LONG_LOG_LEN };
	return 0;
}

static int write_bundle(const struct tpm_source *source, const struct taken *taken, const uint8_t *log, size_t log_len,
			uint8_t *ret_bytes, size_t *len)
{
	struct bundle bundle = { .kind = BUNDLE_TPM };
	uint8_t announced[BUNDLE_LONG_LOG_LEN];
	size_t room = *len;
	int ret;

	bundle.items[BUNDLE_TPM_QUOTE] = (struct bundle_item){ taken->quote, taken->quote_len };
	bundle.items[BUNDLE_TPM_SIGNATURE] = (struct bundle_item){ taken->signature, taken->signature_len };
	bundle.items[BUNDLE_TPM_KEY] = (struct bundle_item){ taken->key, taken->key_len };
	bundle.items[BUNDLE_TPM_PCRS] = (struct bundle_item){ taken->pcrs[0], sizeof(taken->pcrs) };
	if (source->certificate)
		bundle.items[BUNDLE_TPM_CERTIFICATE] =
			(struct bundle_item){ source->certificate, source->certificate_len };
	if (log_len)
		bundle.items[BUNDLE_TPM_IMA_LOG] = (struct bundle_item){ log, log_len };
	ret = bundle_write(&bundle, ret_bytes, len);
	if (ret == -ENOBUFS && log_len) {
		*len = room;
		ret = announce_log(&bundle, log, log_len, announced);
		if (!ret)
			ret = bundle_write(&bundle, ret_bytes, len);
	}
	return ret == -ENOBUFS ? -EFBIG : ret;
}

int tpm_make(const struct tpm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len)
{
	uint8_t qualifying[TPM_HASH_LEN], *log = NULL;
	struct taken taken = { 0 };
	size_t log_len = 0;
	int ret;

	tpm_qualifying(digest, qualifying);
	ret = take(source, qualifying, &taken);
	if (!ret)
		ret = read_log(source, &taken, &log, &log_len);
	if (!ret)
		ret = write_bundle(source, &taken, log, log_len, ret_bytes, len);
	free(log);
	return ret;
}
