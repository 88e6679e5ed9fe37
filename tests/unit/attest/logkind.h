/* SPDX-License-Identifier: MIT */
/*
 * logkind: evidence that announces a log of any length, for the handshake alone:
 * a TPM bundle with the binding digest in place of the quote and other items that
 * mean nothing.  With this handshake's digest it is believed if the test says so.
 */
#ifndef TESTS_ATTEST_LOGKIND_H
#define TESTS_ATTEST_LOGKIND_H

#include <attest/attest.h>
#include <attest/bundle.h>

struct logkind {
	uint32_t log_len;		/* announced; 0: no log */
	size_t give_len;		/* what provide_log() gives; as announced if log_begin() set it */
	bool give_other;		/* another byte in it than was announced */
	int give_error;
	bool refuse, refuse_log;	/* as the verifier */
	unsigned int n_verified, n_given, n_judged;
	size_t seen_len;		/* of the last log that was judged */
	bool seen_right;
	uint8_t evidence[BUNDLE_MAX_LEN];	/* what provide() gave last */
	size_t evidence_len;
};

extern const struct attest_evidence_ops logkind_ops;

/** Announce and give @len bytes. */
void logkind_init(struct logkind *kind, uint32_t len);

#endif
