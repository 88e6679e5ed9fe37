/* SPDX-License-Identifier: MIT */
/* snpkey: what snpgen's files share. */
#ifndef TESTS_VECTORS_SNPKEY_H
#define TESTS_VECTORS_SNPKEY_H

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "snpgen.h"

/* The test key, for good. */
EVP_PKEY *snpgen_key(enum snpgen_key key);
/* A generator that cannot make what was asked for is a broken test. */
void snpgen_need(bool ok, const char *what);

#endif
