/* SPDX-License-Identifier: MIT */
/*
 * platform: one name for a machine, whatever attests it: SHA-256 of a label, the
 * kind of evidence and what that kind calls the machine.  A ticket names both
 * sides' platforms, so evidence of another machine is worth nothing, also if
 * that machine passes the policy.
 *
 *   software  the Ed25519 public key        snp  CHIP_ID (64; none if it is masked)
 *   tpm       SHA-256 of the attestation    tdx  PPID (16), or for platforms of several
 *             key's public area                  packages the platform instance id (16)
 */
#ifndef ATTEST_PLATFORM_H
#define ATTEST_PLATFORM_H

#include "attest.h"
#include "bundle.h"

void platform_id(enum bundle_kind kind, const uint8_t *identity, size_t len, uint8_t ret_id[ATTEST_ID_LEN]);
/** The platform that a bundle says it comes from; nothing is judged.  -ENOENT: it does not say. */
int platform_of_bundle(const struct bundle *bundle, uint8_t ret_id[ATTEST_ID_LEN]);

#endif
