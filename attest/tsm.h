/* SPDX-License-Identifier: MIT */
/*
 * tsm: evidence of the confidential VM that this program runs in, through the
 * kernel's configfs interface (Documentation/ABI/testing/configfs-tsm-report):
 * a folder is made for each report, the binding digest is written to inblob, and
 * outblob is what the hardware signed.  A report in a bare host's name does not
 * exist: the interface is there inside SEV-SNP and TDX guests only.
 */
#ifndef ATTEST_TSM_H
#define ATTEST_TSM_H

#include "bundle.h"

#define TSM_ROOT "/sys/kernel/config/tsm/report"

struct tsm_source {			/* strings and bytes are borrowed */
	const char *root;		/* NULL: TSM_ROOT */
	const char *certificates;	/* SEV-SNP: PEM of VCEK or VLEK, ASK or ASVK; NULL: from auxblob */
	size_t certificates_len;
};

/**
 * Evidence bound to @digest.  Capacity in @len, length out.  Blocks for as long as the hardware takes.
 * -ENOENT, -EACCES, ...: of the files; -EAGAIN: somebody else wrote to our request; -ENOTSUP: another provider than
 * sev_guest and tdx_guest; -EBADMSG: what it gave is no report or quote; -ENOKEY: no certificates for it.
 */
int tsm_make(const struct tsm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len);

#endif
