/* SPDX-License-Identifier: MIT */
/* What gmem-pager and gmem-source have in common: from the command line to the exit code. */
#ifndef GMEM_PAGER_PROGRAM_H
#define GMEM_PAGER_PROGRAM_H

#include "service.h"

struct program {
	const struct service_ops *ops;
	enum attest_role role;
	/* The side that this program is; @config outlives it.  Sentence on failure. */
	int (*make)(const struct session_config *config, void **ret_side, struct session **ret_session,
		    char *ret_error, size_t error_len);
	void (*free)(void *side);
	/* On stdout, after a session that is COMPLETE; may be NULL. */
	void (*farewell)(const void *side);
};

/* @program: one for each enum options_mode that the options of its role can lead to. */
int program_main(const struct program *program, int argc, const char **argv);

#endif
