/* SPDX-License-Identifier: MIT */
/* software: see software.h. */
#include "software.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char label[] = "gmem v1 software";

int software_make(const struct signkey *key, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len)
{
	uint8_t signature[SIGNKEY_SIGNATURE_LEN];
	struct bundle bundle = { .kind = BUNDLE_SOFTWARE };

	signkey_sign(key, label, digest, WIRE_DIGEST_LEN, signature);
	bundle.items[BUNDLE_SOFTWARE_KEY] = (struct bundle_item){ signkey_public(key), SIGNKEY_LEN };
	bundle.items[BUNDLE_SOFTWARE_SIGNATURE] = (struct bundle_item){ signature, sizeof(signature) };
	return bundle_write(&bundle, ret_bytes, len);
}

static bool is_allowed_key(const struct software_policy *policy, const struct bundle_item *key)
{
	for (size_t i = 0; i < policy->n_keys; i++)
		if (key->len == SIGNKEY_LEN && !memcmp(policy->keys[i], key->data, SIGNKEY_LEN))
			return true;
	return false;
}

void software_verify(const struct bundle *bundle, const struct software_policy *policy,
		     const uint8_t digest[WIRE_DIGEST_LEN], struct verdict *verdict)
{
	const struct bundle_item *key = &bundle->items[BUNDLE_SOFTWARE_KEY];
	const struct bundle_item *signature = &bundle->items[BUNDLE_SOFTWARE_SIGNATURE];
	bool lengths = key->len == SIGNKEY_LEN && signature->len == SIGNKEY_SIGNATURE_LEN;

	if (policy->allow)
		verdict_add(verdict, "software.allow", VERDICT_HOLDS,
			    "A SOFTWARE KEY ATTESTS NOTHING ABOUT THE MACHINE: "
			    "whoever has the key file passes, on any machine, with any program; for development only");
	else
		verdict_add(verdict, "software.allow", VERDICT_FAILS,
			    "evidence by a software key attests nothing about "
			    "the machine, and the policy does not switch it on");
	verdict_judge(verdict, "software.keys", is_allowed_key(policy, key),
		      "the signing key must be one of the %zu that "
		      "the policy names", policy->n_keys);
	verdict_judge(verdict, "software.signature",
		      lengths && !signkey_verify(key->data, label, digest, WIRE_DIGEST_LEN, signature->data),
		      "the key must have signed this connection's binding digest");
}
