/* SPDX-License-Identifier: MIT */
/*
 * provider: evidence of the TPM of this machine, through tpm2-tss.  The
 * attestation key is one that is persistent in the TPM already; nothing is
 * created and nothing is changed here.
 */
#ifndef ATTEST_TPM_PROVIDER_H
#define ATTEST_TPM_PROVIDER_H

#include "../bundle.h"

#define TPM_PROVIDER_IMA_LOG "/sys/kernel/security/ima/binary_runtime_measurements"

#define TPM_PROVIDER_LOG_FILE_MAX (16u * 1024u * 1024u)	/* with what was measured after the quote */

struct tpm_source {			/* strings are borrowed */
	const char *tcti;		/* "device:/dev/tpmrm0", "swtpm:path=SOCKET"; NULL: tpm2-tss' own choice */
	uint32_t handle;		/* persistent handle of the attestation key, without authorization value */
	const char *ima_log;		/* NULL: TPM_PROVIDER_IMA_LOG */
	const uint8_t *certificate;	/* of the attestation key, DER; may be NULL */
	size_t certificate_len;
};

/**
 * A quote bound to @digest, and what goes with it.  Capacity in @len, length out.  Blocks for as long as the TPM takes.
 * -ENODEV: no TPM there, -ENOKEY: no such key in it, -EIO: it refused; -EAGAIN: PCRs changed all the time;
 * A log that does not fit is announced.  -EFBIG: it has more than WIRE_LOG_MAX bytes, or its file more than
 * TPM_PROVIDER_LOG_FILE_MAX; else -errno of the log.
 */
int tpm_make(const struct tpm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len);
/** The log that @evidence of tpm_make() announces; free().  -EINVAL: none; -errno of the log. */
int tpm_log(const struct tpm_source *source, const uint8_t *evidence, size_t len, uint8_t **ret_log,
	    size_t *ret_log_len);

#endif
