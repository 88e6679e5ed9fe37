/* SPDX-License-Identifier: MIT */
/* evidence: the digest that every kind of evidence must carry. */
#ifndef ATTEST_EVIDENCE_H
#define ATTEST_EVIDENCE_H

#include "attest.h"
#include "wire.h"

/** SHA-512 over label, role, handshake hash, both static keys, ticket id, VM id and connection number. */
void evidence_binding_digest(const struct attest_binding *binding, uint8_t ret_digest[WIRE_DIGEST_LEN]);

#endif
