/* SPDX-License-Identifier: MIT */
/*
 * swtpm: a TPM 2.0 in a process of its own, with attestation keys, a measured
 * boot and an IMA log.  What cannot be made ends the program; swtpm_start() says
 * false where the program swtpm is not there.
 */
#ifndef TESTS_ATTEST_SWTPM_H
#define TESTS_ATTEST_SWTPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SWTPM_AK 0x81010001u		/* restricted, ECDSA P-256 SHA-256 */
#define SWTPM_LOOSE 0x81010002u		/* the same, not restricted: signs anything */
#define SWTPM_RSA 0x81010003u		/* restricted, RSA */

struct swtpm {
	pid_t pid;
	char folder[64];
	char tcti[128];
	char log_path[128];
	uint8_t log[1 << 20];
	size_t log_len;
};

bool swtpm_start(struct swtpm *tpm);
void swtpm_stop(struct swtpm *tpm);
/* Measure @path with this SHA-256 of its contents: an entry of template "ima-ng" in the log, and PCR 10. */
void swtpm_measure(struct swtpm *tpm, const char *path, const uint8_t digest[32]);
/* @n entries of this one file. */
void swtpm_measure_many(struct swtpm *tpm, const char *path, const uint8_t digest[32], unsigned int n);
/* An entry in the log only. */
void swtpm_log(struct swtpm *tpm, const char *template_name, const char *path, const uint8_t digest[32]);
void swtpm_extend(struct swtpm *tpm, unsigned int pcr, const uint8_t digest[32]);
void swtpm_read(struct swtpm *tpm, unsigned int pcr, uint8_t ret_value[32]);

#endif
