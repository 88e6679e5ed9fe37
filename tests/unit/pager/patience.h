/* SPDX-License-Identifier: MIT */
/*
 * How many times longer than on an idle machine a test waits for what it does not hold up itself, and a side of its
 * moves for the other.  A sanitizer slows every thread down, and other tests run beside this one.
 */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#ifdef __SANITIZE_THREAD__
#define PATIENCE 15
#elif defined(__SANITIZE_ADDRESS__)
#define PATIENCE 6
#else
#define PATIENCE 3
#endif

#endif
