/* SPDX-License-Identifier: MIT */
/*
 * bench_handshake: what a handshake costs on top of the operations that
 * docs/protocol.md asks for, both sides together, from configs to record keys:
 * with pinned keys, and with SEV-SNP evidence of both sides (report, VCEK and
 * ASK; each is verified).  Prints lines "raw NAME ns".
 *
 * A platform makes its report in its firmware; here a test key signs it, and the
 * time in which it does is taken off.  All in CPU time of this thread, in turns,
 * the best of each.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../unit/attest/pair.h"
#include "snpraw.h"

#include <attest/attestor.h>
#include <attest/evidence.h>
#include <attest/platform.h>

#define N_HANDSHAKES 60u

struct side {
	struct attestor attestor;	/* first: attestor_ops' opaque */
	struct snpgen gen;
	uint8_t peer_platform_id[ATTEST_ID_LEN];
};

static struct pair pair;
static struct side side[2];
static struct attest_policy policy;
static struct trust trust;
static double report_ns;		/* of making reports, in this handshake */

static int64_t fixed_now(void)
{
	return SNPGEN_NOW;
}

static int provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	static uint8_t snp[SNPGEN_EVIDENCE_MAX];
	struct side *own = opaque;
	struct bundle bundle = { .kind = BUNDLE_SNP };
	uint8_t digest[WIRE_DIGEST_LEN];
	double start_ns;
	size_t snp_len;

	evidence_binding_digest(binding, digest);
	start_ns = snpraw_now_ns();
	memcpy(own->gen.report + 0x50, digest, sizeof(digest));
	snp_len = snpgen_evidence(&own->gen, snp);
	report_ns += snpraw_now_ns() - start_ns;
	bundle.items[BUNDLE_SNP_EVIDENCE] = (struct bundle_item){ snp, snp_len };
	return bundle_write(&bundle, ret_evidence, len);
}

static int verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		  char *ret_reason, size_t reason_len)
{
	return attestor_ops.verify(opaque, binding, evidence, len, ret_reason, reason_len);
}

static const struct attest_evidence_ops snp_ops = { .name = "snp", .provide = provide, .verify = verify };

/* Two machines of one product; each expects the other. */
static void set_up(void)
{
	policy_init(&policy);
	policy.kinds = 1u << BUNDLE_SNP;
	pair_init(&pair, 0);
	for (int i = 0; i < 2; i++) {
		snpgen_init(&side[i].gen, SNP_GENOA, false, 3);
		platform_id(BUNDLE_SNP, side[i].gen.report + 0x1a0, SNP_CHIP_ID_LEN, side[!i].peer_platform_id);
		side[i].attestor = (struct attestor){
			.policy = &policy, .trust = &trust, .peer_key = pair.pinned[i],
			.peer_platform_id = side[i].peer_platform_id, .now_s = fixed_now,
		};
	}
	snpgen_trust(&side[0].gen, &trust.snp);
	snpgen_policy(&side[0].gen, &policy.snp);
}

static void use(const struct attest_evidence_ops *ops, void *opaque0, void *opaque1)
{
	pair.config[0].evidence = pair.config[1].evidence = ops;
	pair.config[0].evidence_opaque = opaque0;
	pair.config[1].evidence_opaque = opaque1;
}

static double handshake_ns(void)
{
	struct attest_channel *channel[2];
	double start_ns = snpraw_now_ns(), ns;

	report_ns = 0;
	pair_channels(&pair, channel);
	ns = snpraw_now_ns() - start_ns - report_ns;
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	return ns;
}

/* Per side, docs/protocol.md: 3 MixKey and Split of 3 each, keys and MACs of ACCEPT 3 and 2, PRK 1, keys of 6 halves 18. */
#define N_HMACS 36u

/*
 * Both sides together: per side an ephemeral key and three DHs, evidence sealed
 * and opened, the binding digest given and checked, the HMACs of all key
 * derivations; and if there is evidence, what its verification asks of OpenSSL.
 */
static double raw_ns(bool with_evidence)
{
	static uint8_t evidence[ATTEST_HANDSHAKE_MAX], sealed[ATTEST_HANDSHAKE_MAX + 16];
	uint8_t secret[32] = { 7 }, public[32], shared[32], digest[64], nonce[12] = { 0 };
	double start_ns = snpraw_now_ns();

	for (int i = 0; i < 2; i++) {
		snpraw_need(!crypto_scalarmult_curve25519_base(public, secret), "an ephemeral key");
		for (int k = 0; k < 3; k++)
			snpraw_need(!crypto_scalarmult_curve25519(shared, secret, public), "a DH");
		crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, evidence, sizeof(evidence), NULL, 0, NULL, nonce,
							  secret);
		snpraw_need(!crypto_aead_chacha20poly1305_ietf_decrypt(evidence, NULL, NULL, sealed, sizeof(sealed), NULL,
								       0, nonce, secret), "opening evidence");
		for (int k = 0; k < 2; k++)
			crypto_hash_sha512(digest, evidence, 233);
		for (unsigned int k = 0; k < N_HMACS; k++)
			crypto_auth_hmacsha256(digest, evidence, 73, secret);
		if (with_evidence)
			snpraw_verify();
	}
	return snpraw_now_ns() - start_ns;
}

static void measure(const char *name, bool with_evidence)
{
	double best_ns = 1e18, raw_best_ns = 1e18;

	for (unsigned int i = 0; i < N_HANDSHAKES; i++) {
		double one_ns = raw_ns(with_evidence), ns = handshake_ns();

		best_ns = ns < best_ns ? ns : best_ns;
		raw_best_ns = one_ns < raw_best_ns ? one_ns : raw_best_ns;
	}
	printf("raw %s_operations %.1f\nraw %s %.1f\n", name, raw_best_ns, name, best_ns);
}

int main(void)
{
	static uint8_t evidence[SNPGEN_EVIDENCE_MAX];

	snpraw_need(attest_init(), "attest_init");
	set_up();
	(void)snpgen_evidence(&side[0].gen, evidence);	/* makes certificates and signs */
	snpraw_init(&side[0].gen);
	use(&attest_evidence_pinned, pair.pinned[0], pair.pinned[1]);
	measure("handshake_pinned", false);
	use(&snp_ops, &side[0], &side[1]);
	measure("handshake", true);
	snpraw_fini();
	snp_trust_fini(&trust.snp);
	pair_fini(&pair);
	return EXIT_SUCCESS;
}
