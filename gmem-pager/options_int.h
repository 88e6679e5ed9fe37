/* SPDX-License-Identifier: MIT */
/* What the files of the options share. */
#ifndef GMEM_PAGER_OPTIONS_INT_H
#define GMEM_PAGER_OPTIONS_INT_H

#include <popt.h>

#include "options.h"

#define OPTIONS_N_OWN 12		/* of one of the programs alone, and the table's end */
#define OPTIONS_N_COMMON 44

enum { OPT_HELP = 1, OPT_VERSION };

/* The first of common includes own. */
struct options_tables {
	struct poptOption own[OPTIONS_N_OWN];
	struct poptOption common[OPTIONS_N_COMMON];
};

/* options_table.c */
void options_set_defaults(struct options *options, enum attest_role role);
void options_fill_tables(struct options_tables *ret_tables, struct options *options);

/* options.c */
/* A sentence on stderr; -EINVAL. */
int options_complain(const struct options *options, const char *option, const char *what);
/* As on a command line, over what is there: 0, 1: printed what was asked for, or -EINVAL: said. */
int options_parse_words(struct options *options, int argc, const char **argv);
/* Each value by itself; -EINVAL: said. */
int options_check_values(const struct options *options);

/* options_snapshot.c: which mode it is, and what goes with it; -EINVAL: said. */
int options_check_snapshot(struct options *options);

/* options_file.c: --config.  -EINVAL: said, with the line. */
int options_read_file(struct options *options, const char *path);

#endif
