/* SPDX-License-Identifier: MIT */
/* The counterpart of plain_aead.c: nothing is in the place of attest/aead.c. */
#include "plain.h"

const char *const bench_cipher = "as shipped";
