/* SPDX-License-Identifier: MIT */
/* snpraw: the OpenSSL operations that a SNP verification cannot do without, and evidence to do them on. */
#ifndef TESTS_PERF_SNPRAW_H
#define TESTS_PERF_SNPRAW_H

#include <stdbool.h>
#include <vectors/snpgen.h>

/* CPU time of this thread. */
double snpraw_now_ns(void);
/* What is not so ends the program. */
void snpraw_need(bool ok, const char *what);
/* Keep what verify needs of @gen, whose report is signed. */
void snpraw_init(const struct snpgen *gen);
void snpraw_fini(void);
/* Two certificates are read, a chain of three verified (RSA-PSS 4096), and the report (ECDSA P-384). */
void snpraw_verify(void);

#endif
