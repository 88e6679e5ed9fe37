/* SPDX-License-Identifier: MIT */
/*
 * fixed: the same "random" bytes in each run, so that inputs keep their meaning
 * and a crash can be repeated.  For fuzzing only.
 */
#ifndef TESTS_FUZZ_FIXED_H
#define TESTS_FUZZ_FIXED_H

/** Before attest_init(). */
void fixed_random_install(void);

#endif
