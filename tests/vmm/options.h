/* SPDX-License-Identifier: MIT */
/*
 * options: the command line of gmem-testvmm.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>

#include "conversion.h"
#include "paging.h"

struct options {
	char *kernel;
	char *initrd;
	char *append;
	int mem_mib;
	int n_vcpus;
	bool shared_ram;
	enum paging_mode paging;
	enum conversion_mode conversion;
	char *console;
	char *control;
	char *report;
	char *gmem_source;	/* socket of gmem-source, or NULL */
	char *incoming;		/* socket of gmem-pager, or NULL */
	char *restore;		/* file, or NULL */
	int service_wait_s;	/* how long gmem-source or gmem-pager may be away */
};

/**
 * Parse the command line.
 * @param ret_options strings are the caller's: options_fini().
 * @retval 0 go on. @retval 1 help was printed. @retval -EINVAL the sentence
 * says what is wrong.
 */
int options_parse(int argc, const char **argv, struct options *ret_options);
void options_fini(struct options *options);

#endif
