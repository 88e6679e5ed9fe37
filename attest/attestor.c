/* SPDX-License-Identifier: MIT */
/* attestor: see attestor.h. */
#include "attestor.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "evidence.h"
#include "platform.h"

static const char *const names[] = {
	[ATTESTOR_PINNED] = "pinned-key", [ATTESTOR_SOFTWARE] = "software", [ATTESTOR_TSM] = "tsm",
	[ATTESTOR_TPM] = "tpm",
};

int attestor_kind_parse(const char *name, enum attestor_kind *ret_kind)
{
	for (unsigned int kind = ATTESTOR_PINNED; kind <= ATTESTOR_TPM; kind++) {
		if (strcmp(names[kind], name))
			continue;
		*ret_kind = (enum attestor_kind)kind;
		return 0;
	}
	return -EINVAL;
}

static int provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	const struct attestor *attestor = opaque;
	uint8_t digest[WIRE_DIGEST_LEN];

	evidence_binding_digest(binding, digest);
	switch (attestor->kind) {
	case ATTESTOR_PINNED:
		return attest_evidence_pinned.provide(NULL, binding, ret_evidence, len);
	case ATTESTOR_SOFTWARE:
		return attestor->software_key ? software_make(attestor->software_key, digest, ret_evidence, len) :
		       -ENOKEY;
	case ATTESTOR_TSM:
		return tsm_make(&attestor->tsm, digest, ret_evidence, len);
	case ATTESTOR_TPM:
		return tpm_make(&attestor->tpm, digest, ret_evidence, len);
	}
	return -EINVAL;
}

/* A handshake may come long after the ticket was read; a connection that is resumed may come after its end. */
static bool in_time(const struct attestor *attestor, const struct attest_binding *binding, int64_t now_s)
{
	if (binding->connection != 1 || (!attestor->valid_from_s && !attestor->valid_to_s))
		return true;
	return now_s >= attestor->valid_from_s && now_s <= attestor->valid_to_s;
}

static int provide_log(void *opaque, const uint8_t *evidence, size_t len, uint8_t **ret_log, size_t *ret_log_len)
{
	const struct attestor *attestor = opaque;

	return attestor->kind == ATTESTOR_TPM ? tpm_log(&attestor->tpm, evidence, len, ret_log, ret_log_len) : -EINVAL;
}

/* @question has the evidence, and what there is of its log. */
static int judge(const struct attestor *attestor, const struct attest_binding *binding,
		 struct attest_question *question, char *ret_reason, size_t reason_len)
{
	uint8_t digest[WIRE_DIGEST_LEN];
	const struct verdict_rule *failure;
	struct verdict verdict;

	question->policy = attestor->policy;
	question->trust = attestor->trust;
	question->digest = digest;
	question->static_key = binding->static_key;
	question->platform_id = attestor->peer_platform_id;
	question->now_s = attestor->now_s();
	if (sodium_memcmp(binding->static_key, attestor->peer_key, ATTEST_KEY_LEN)) {
		snprintf(ret_reason, reason_len,
			 "its static key is not the one that was named; check which machine answers");
		return -EACCES;
	}
	if (!in_time(attestor, binding, question->now_s)) {
		snprintf(ret_reason, reason_len, "the ticket is not valid now; ask its issuer for another one");
		return -EACCES;
	}
	evidence_binding_digest(binding, digest);
	attest_verify(question, &verdict);
	if (attestor->tell)
		attestor->tell(&verdict);
	if (verdict_believed(&verdict))
		return 0;
	failure = verdict_first_failure(&verdict);
	if (failure)
		snprintf(ret_reason, reason_len, "%s: %s", failure->name, failure->text);
	else
		snprintf(ret_reason, reason_len, "no rule of the policy holds");
	return -EACCES;
}

static int verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		  char *ret_reason, size_t reason_len)
{
	struct attest_question question = { .evidence = evidence, .len = len, .log_follows = true };

	return judge(opaque, binding, &question, ret_reason, reason_len);
}

static int verify_log(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		      const uint8_t *log, size_t log_len, char *ret_reason, size_t reason_len)
{
	struct attest_question question = { .evidence = evidence, .len = len, .log = log, .log_len = log_len };

	return judge(opaque, binding, &question, ret_reason, reason_len);
}

static int platform(void *opaque, const uint8_t *evidence, size_t len, uint8_t ret_platform[ATTEST_ID_LEN])
{
	struct bundle bundle;

	(void)opaque;
	return bundle_parse(evidence, len, &bundle) ? -ENOENT : platform_of_bundle(&bundle, ret_platform);
}

const struct attest_evidence_ops attestor_ops = {
	.name = "attested",
	.provide = provide,
	.verify = verify,
	.provide_log = provide_log,
	.verify_log = verify_log,
	.platform = platform,
};
