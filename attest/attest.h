/* SPDX-License-Identifier: MIT */
/* attest: the public header, by the name that it has inside the tree. */
#ifndef ATTEST_ATTEST_H
#define ATTEST_ATTEST_H

#include <gmem/attest.h>

#endif
