/* SPDX-License-Identifier: MIT */
/*
 * Counting instructions: on a host of `bed up --icount` the time-stamp counter
 * moves by one with each instruction that the CPU executes, in the kernel, in
 * programs and in guests.
 */
#ifndef PERF_COUNT_H
#define PERF_COUNT_H

#include <stdint.h>

/* Instructions executed so far. */
static inline uint64_t count_now(void)
{
	return __builtin_ia32_rdtsc();
}

/* Ends the program unless the counter counts instructions. */
void count_verify(void);

/*
 * Let work that the kernel put off (RCU, work queues) come to an end, and threads
 * get to where they sleep.  Computes, as an emulated CPU that idles is slow.
 */
void count_settle(unsigned int ms);

/* One raw figure, for the script that makes the table: "raw NAME VALUE". */
void count_report(const char *name, double value);

#endif
