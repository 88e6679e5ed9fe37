/* SPDX-License-Identifier: MIT */
/* root: the certificate in which every Intel chain ends. */
#ifndef ATTEST_TDX_ROOT_H
#define ATTEST_TDX_ROOT_H

#include "../x509.h"

/** The Intel SGX Root CA, pinned here; TDX has no root of its own.  Free with x509_cert_free().  -ENOMEM. */
int tdx_root_new(struct x509_cert **ret_root);

#endif
