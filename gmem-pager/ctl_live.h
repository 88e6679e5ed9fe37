/* SPDX-License-Identifier: MIT */
/* gmemctl's verbs for a service that runs, by its control or status socket. */
#ifndef GMEM_PAGER_CTL_LIVE_H
#define GMEM_PAGER_CTL_LIVE_H

#include <stdbool.h>

/* Exit codes, as in gmemctl(1); 0 to 5 are those of "session", too. */
enum {
	CTL_OK = 0,
	CTL_USAGE = 1,		/* options; the state directory */
	CTL_REFUSED = 2,	/* not in this state, not by this socket */
	CTL_RUNNING = 3,	/* a process has it */
	CTL_NOT_FOUND = 4,	/* no such session, or more than one */
	CTL_RECORD = 5,		/* the record cannot be read or written */
	CTL_NO_SERVICE = 6,	/* nobody answers at the socket */
	CTL_TIMEOUT = 7,	/* wait: not in the time given */
	CTL_ENDED = 8,		/* wait, --watch: the move has ended without it */
};

struct ctl_live {
	const char *socket;	/* NULL: not named */
	const char *reason;
	const char *until;
	const char *timeout;	/* seconds */
	const char *interval;	/* seconds */
	bool json, watch;
};

/* Is @word one of the verbs? */
bool ctl_live_is_verb(const char *word);

/* @words: the verb, then what it takes.  Returns the exit code; says on stderr what is wrong. */
int ctl_live_run(const struct ctl_live *live, int n_words, char **words);

#endif
