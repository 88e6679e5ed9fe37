/* SPDX-License-Identifier: MIT */
/*
 * What a client of a control socket asks for: one line with a JSON object, docs/control.md.
 * The only code that looks at a client's bytes.
 */
#ifndef GMEM_PAGER_CONTROL_ASK_H
#define GMEM_PAGER_CONTROL_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <attest/session/session.h>
#include <gmem/gmem.h>

#define ASK_LINE_MAX 4096u		/* bytes, without the newline */
#define ASK_SESSION_MIN 8u		/* digits of the ticket id that name a session */
#define ASK_SESSION_MAX (2u * ATTEST_ID_LEN)
#define ASK_MAP_MAX 256u		/* cells of a map */
#define ASK_INTERVAL_MIN 200u		/* ms */
#define ASK_INTERVAL_MAX 60000u
#define ASK_INTERVAL 1000u
#define ASK_TIMEOUT_MAX 86400000u	/* ms */
#define ASK_ERROR_LEN 160u

enum ask_verb {
	ASK_STATUS = 0,
	ASK_WAIT,
	ASK_METRICS,
	ASK_SUBSCRIBE,
	ASK_PAUSE,	/* from here on: changes something */
	ASK_RESUME,
	ASK_LIMIT,
	ASK_ABORT,
	ASK_ABANDON,
	ASK_N_VERBS,
};

/* Fields that the verb does not have, or that were left out, are 0 or the default. */
struct ask {
	enum ask_verb verb;
	char session[ASK_SESSION_MAX + 1];	/* ASK_SESSION_MIN or more hex digits, in small letters */
	char reason[SESSION_REASON_MAX + 1];	/* printable ASCII, not empty */
	uint64_t bytes_per_s;			/* as limit_set() takes it */
	uint32_t map_cells;			/* 0: no map */
	uint32_t interval_ms;
	uint32_t timeout_ms;			/* 0: none */
	enum gmem_phase until;			/* wait: ACCEPTED to COMPLETE */
	bool until_end;				/* wait: however the move ends */
};

/*
 * Parse @len bytes at @line, no more than ASK_LINE_MAX.  Allocates.  On failure @ret_ask is untouched and
 * @ret_error (ASK_ERROR_LEN bytes) has a sentence: -EBADMSG no such object, -EOPNOTSUPP no such verb, -EINVAL a field.
 */
int ask_parse(const char *line, size_t len, struct ask *ret_ask, char *ret_error);

const char *ask_verb_name(enum ask_verb verb);

/* Does the verb change anything? */
bool ask_changes(enum ask_verb verb);

/* "idle" to "failed". */
const char *ask_phase_name(enum gmem_phase phase);

#endif
