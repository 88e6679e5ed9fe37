// SPDX-License-Identifier: MIT
/*
 * Linked into gmem-source and gmem-pager as they are, for tests: the one root of AMD's Milan is a generated one, and
 * --evidence tsm finds an SEV-SNP guest of a generated processor, by a folder that behaves like the kernel's.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <attest/trust.h>
#include <attest/tsm.h>
#include <vectors/tsmfake.h>

int __real_trust_init(struct trust *trust);
int __wrap_trust_init(struct trust *trust);
int __real_tsm_make(const struct tsm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len);
int __wrap_tsm_make(const struct tsm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len);

static struct snpgen snp;

int __wrap_trust_init(struct trust *trust)
{
	int r = __real_trust_init(trust);

	snpgen_init(&snp, SNP_MILAN, false, 3);
	if (r == 0)
		snp_trust_set_root(&trust->snp, snp.product, snpgen_cert_parsed(&snp.ark));
	return r;
}

int __wrap_tsm_make(const struct tsm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len)
{
	char root[] = "/tmp/gmem-tsm.XXXXXX";
	struct tsm_source ours = *source;
	int r;

	if (mkdtemp(root) == NULL)
		return -errno;
	ours.root = tsmfake.root = root;
	tsmfake.snp = &snp;
	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	r = __real_tsm_make(&ours, digest, ret_bytes, len);
	tsmfake.root = NULL;
	__real_rmdir(root);
	return r;
}
