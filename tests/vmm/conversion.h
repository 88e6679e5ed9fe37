/* SPDX-License-Identifier: MIT */
/*
 * conversion: a device by which the guest has its VMM discard pages and convert
 * them between private and shared, as docs/integration.md says; off unless
 * --conversion is given.
 *
 * Its registers are 32 bits each, at CONVERSION_GPA:
 *   +0 write  a CONVERSION_* command << 28 | GFN: carried out before the guest goes on
 *   +0 read   CONVERSION_DONE, with CONVERSION_WAS_MISSING; anything else: it failed
 *   +4 read   the step that the control command "step" has set last; 0 at first
 */
#ifndef VMM_CONVERSION_H
#define VMM_CONVERSION_H

/* For the guest's program as well, which has nothing else of this file. */
#define CONVERSION_GPA		0xd0000000u
#define CONVERSION_LEN		4096u
#define CONVERSION_DISCARD	1u
#define CONVERSION_TO_SHARED	2u
#define CONVERSION_TO_PRIVATE	3u
#define CONVERSION_N_COMMANDS	4u
#define CONVERSION_DONE		0x1u
#define CONVERSION_WAS_MISSING	0x2u

#ifndef CONVERSION_GUEST
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct machine;

enum conversion_mode {
	CONVERSION_OFF,
	CONVERSION_RIGHT,	/* with gmem_discard() */
	CONVERSION_BARE,	/* as a VMM does that knows of no move: what the tests have to notice */
};

struct conversion {
	enum conversion_mode mode;
	pthread_mutex_t lock;	/* everything below */
	int session_fd;
	uint32_t result, step;
	uint64_t n_done[CONVERSION_N_COMMANDS][2];	/* by command; present, missing */
};

/** After paging_init(). */
int conversion_init(struct machine *machine, enum conversion_mode mode);

/** An access of a vCPU. @return false if the address is not the device's, or there is none. */
bool conversion_access(struct machine *machine, uint64_t gpa, bool is_write, uint32_t len, uint8_t *data);

void conversion_set_step(struct machine *machine, uint32_t step);

#endif
#endif
