/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

/* What a program has in it that was linked with plain_aead.c. */
#define PLAIN_MARK "none: this program does not encrypt"

/* How records are encrypted in this program, in a word for its output. */
extern const char *const bench_cipher;

#endif
