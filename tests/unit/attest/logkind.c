/* SPDX-License-Identifier: MIT */
/* logkind: see logkind.h. */
#include "logkind.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <attest/evidence.h>
#include <attest/parse.h>

static uint8_t log_byte(size_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) + (at >> 16));
}

void logkind_init(struct logkind *kind, uint32_t len)
{
	*kind = (struct logkind){ .log_len = len, .give_len = len };
}

static uint8_t *make_log(size_t len)
{
	uint8_t *log = malloc(len + 1);

	for (size_t i = 0; log && i < len; i++)
		log[i] = log_byte(i);
	return log;
}

static int provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	static const uint8_t item[352] = { 1 };
	struct logkind *kind = opaque;
	struct bundle bundle = { .kind = BUNDLE_TPM };
	uint8_t announced[BUNDLE_LONG_LOG_LEN], digest[WIRE_DIGEST_LEN], *log;
	struct parse_writer writer;
	int ret;

	evidence_binding_digest(binding, digest);
	bundle.items[BUNDLE_TPM_QUOTE] = (struct bundle_item){ digest, sizeof(digest) };
	bundle.items[BUNDLE_TPM_SIGNATURE] = (struct bundle_item){ item, 64 };
	bundle.items[BUNDLE_TPM_KEY] = (struct bundle_item){ item, 64 };
	bundle.items[BUNDLE_TPM_PCRS] = (struct bundle_item){ item, sizeof(item) };
	if (kind->log_len) {
		bundle.items[BUNDLE_TPM_LONG_LOG] = (struct bundle_item){ announced, sizeof(announced) };
		parse_writer_init(&writer, announced, sizeof(announced));
		parse_put_u32(&writer, kind->log_len);
		log = make_log(kind->log_len);
		if (!log)
			return -ENOMEM;
		crypto_hash_sha256(parse_put(&writer, 32), log, kind->log_len);
		free(log);
	}
	ret = bundle_write(&bundle, ret_evidence, len);
	if (ret)
		return ret;
	memcpy(kind->evidence, ret_evidence, *len);
	kind->evidence_len = *len;
	return 0;
}

static int provide_log(void *opaque, const uint8_t *evidence, size_t len, uint8_t **ret_log, size_t *ret_log_len)
{
	struct logkind *kind = opaque;

	kind->n_given++;
	if (kind->give_error)
		return kind->give_error;
	*ret_log = make_log(kind->give_len);
	*ret_log_len = kind->give_len;
	if (!*ret_log)
		return -ENOMEM;
	if (kind->give_other)
		(*ret_log)[kind->give_len / 2] ^= 1;
	return 0;
}

static int verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		  char *ret_reason, size_t reason_len)
{
	uint8_t digest[WIRE_DIGEST_LEN];
	struct logkind *kind = opaque;
	struct bundle bundle;

	kind->n_verified++;
	evidence_binding_digest(binding, digest);
	if (bundle_parse(evidence, len, &bundle) || bundle.items[BUNDLE_TPM_QUOTE].len != sizeof(digest) ||
	    memcmp(bundle.items[BUNDLE_TPM_QUOTE].data, digest, sizeof(digest)))
		return -EACCES;
	return kind->refuse ? -EACCES : 0;
}

static int verify_log(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		      const uint8_t *log, size_t log_len, char *ret_reason, size_t reason_len)
{
	struct logkind *kind = opaque;

	kind->n_judged++;
	kind->seen_len = log_len;
	kind->seen_right = true;
	for (size_t i = 0; i < log_len; i++)
		kind->seen_right &= log[i] == log_byte(i);
	return kind->refuse_log ? -EACCES : 0;
}

const struct attest_evidence_ops logkind_ops = {
	.name = "logkind", .provide = provide, .verify = verify, .provide_log = provide_log, .verify_log = verify_log,
};
