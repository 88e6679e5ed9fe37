/* SPDX-License-Identifier: MIT */
/* date: a moment in a signed document, and the only form of it that is taken: "2025-06-19T10:16:03Z" (RFC 3339). */
#ifndef ATTEST_DATE_H
#define ATTEST_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_TEXT_LEN 20u

/**
 * Seconds since 1970; years 1970 to 9999, no leap second, no fraction, no zone but Z.  @text need not end with a NUL.
 * -EBADMSG: anything else, also a day that the month does not have.
 */
int date_parse(const char *text, size_t len, int64_t *ret_seconds);
/** The same way back; @seconds out of range gives "?". */
void date_format(int64_t seconds, char ret_text[DATE_TEXT_LEN + 1]);

#endif
