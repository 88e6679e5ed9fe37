/* SPDX-License-Identifier: MIT */
/*
 * console: where the guest's serial output goes, and what the VMM reads from
 * it: the round that each vCPU's worker finished, mismatches, and the ranges of
 * the pages that the guest never writes again (see guest/).
 *
 * A line that is not finished when the guest moves is carried along, so that it
 * comes out whole at the destination.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONSOLE_MAX_LINE	256u
#define CONSOLE_MAX_RANGES	8192u
#define CONSOLE_MAX_VCPUS	2u

/** Run of guest physical pages. */
struct console_range {
	uint64_t gpa;
	uint64_t n_pages;
};

struct console_facts {
	bool seen[CONSOLE_MAX_VCPUS];		/* a ROUND line of this vCPU came */
	uint64_t round[CONSOLE_MAX_VCPUS];	/* highest, of those seen */
	uint64_t n_rounds;			/* ROUND lines */
	uint64_t mismatches[CONSOLE_MAX_VCPUS];	/* cumulative, from the last ROUND line */
	uint64_t max_gap_us;
	bool fixed_end;				/* FIXED-END seen: the list is complete */
	uint64_t fixed_pages;
	bool guest_end;				/* the guest's program ended by itself */
};

struct console {
	FILE *file;		/* second output, or NULL */
	pthread_mutex_t lock;	/* everything below */
	pthread_cond_t changed;	/* facts */
	bool closed;		/* nothing more will come */
	struct console_facts facts;
	struct console_range *ranges;
	size_t n_ranges;
	char line[CONSOLE_MAX_LINE];
	size_t line_len;
	size_t written_len;	/* of line: already printed */
};

/** @param path second output, appended to, or NULL. */
int console_init(struct console *console, const char *path);
void console_fini(struct console *console);

/** One byte from the guest; complete lines are printed and understood. */
void console_emit(struct console *console, uint8_t byte);

/** Print what is there of an unfinished line. */
void console_flush(struct console *console);

void console_get_facts(struct console *console, struct console_facts *ret_facts);

/** The guest has ended: who waits below gets -ESHUTDOWN. */
void console_close(struct console *console);

/**
 * Wait until all of @p n_vcpus finished @p round.
 * @retval -ETIMEDOUT @retval -ESHUTDOWN the guest ended first.
 */
int console_wait_round(struct console *console, unsigned int n_vcpus, uint64_t round, int timeout_ms);

/** Wait until the guest said where its fixed pages are. Errors as above. */
int console_wait_fixed(struct console *console, int timeout_ms);

/**
 * Copy of the fixed ranges.
 * @param ret_ranges malloc'ed, the caller frees.
 * @retval -ENODATA the guest has not printed all of them yet.
 */
int console_get_ranges(struct console *console, struct console_range **ret_ranges, size_t *ret_n_ranges);

/** Understand one line "FIXED gpa=0x... pages=N". */
bool console_parse_fixed(const char *line, struct console_range *ret_range);

/** Copy of the unfinished line, for the state that travels, and back. */
size_t console_save_line(struct console *console, char ret_line[CONSOLE_MAX_LINE]);
void console_restore_line(struct console *console, const char *line, size_t len);

#endif
