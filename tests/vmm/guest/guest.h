/* SPDX-License-Identifier: MIT */
/*
 * guest: the program that is /init of the guest.  It fills memory with patterns,
 * goes on changing and checking them, and prints one line per round and vCPU:
 *
 *   FIXED gpa=0x... pages=N     run of pages that are never written again
 *   FIXED-END total=N
 *   ROUND n vcpu=k mismatches=m gap_us=g
 *   MISMATCH ...                address, expected, got; the first ones of a round; or a clock that ran back
 *   CONVERT ..., CONVERT-END step=n     what was discarded and converted (convert.c)
 *   GUEST-END rounds=n mismatches=m
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From the kernel's command line: gmem.<name>=<number>. */
struct guest_config {
	uint64_t write_mib;	/* changing memory, all vCPUs together */
	uint64_t fixed_mib;
	uint64_t rounds;	/* 0: without end */
	uint64_t shared_gpa;
	uint64_t shared_mib;	/* 0: none */
	uint64_t shared_pages;	/* of it, used per round */
	uint64_t pause_ms;	/* between rounds */
	uint64_t convert;	/* pages of each kind to discard and convert; 0: none */
	uint64_t clock;		/* not 0: a clock that runs back is a mismatch */
	uint64_t random;	/* not 0: changing pages are visited at random, all of them */
	uint64_t stamp_us;	/* not 0: a hypercall after the first page from so long on, for the host to trace (AMD) */
};

/** Read /proc/cmdline; what is not there keeps its default. */
void guest_read_config(struct guest_config *config);

/** Print one whole line to the console. */
void guest_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Print, and stop the guest: something without which it proves nothing. */
_Noreturn void guest_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Report a wrong word. */
void guest_mismatch(const char *area, uint64_t page, unsigned int word, uint64_t expected, uint64_t got,
		    uint64_t round);

/** Locked, touched anonymous memory. */
void *guest_alloc(uint64_t len);

/* Pages that are written once (fixed.c). */
void fixed_init(uint64_t len);
/** @return false, and reported, if the page's content is wrong. */
bool fixed_check(uint64_t page, uint64_t round);
uint64_t fixed_pages(void);

/* The area behind /dev/mem (shared.c): used by worker 0 only. */
void shared_init(uint64_t gpa, uint64_t len);
/** Check the next page's last content and write this round's. @return mismatching words. */
uint64_t shared_step(uint64_t round);

/* Pages that are discarded and converted (convert.c): @n of each kind, by a thread of its own. */
void convert_init(uint64_t n);
/** Check all that was converted so far. @return wrong pages. */
uint64_t convert_check(uint64_t round);

/** CLOCK_MONOTONIC, nanoseconds. @param ret_back_ns by how much it is less than what a vCPU has read before (ticks.c). */
uint64_t ticks_read(uint64_t *ret_back_ns);

/* Workers (worker.c). */
void worker_run_all(const struct guest_config *config, unsigned int n_workers);

#endif
