/* SPDX-License-Identifier: MIT */
/*
 * jsontext: is this text JSON (RFC 8259) that every reader reads alike, and
 * where exactly in it does a value stand?  A signature over JSON covers bytes,
 * not values, so the bytes have to be found; and a library that takes the last
 * of two members of one name, or more than the grammar, must not see what the
 * signature did not mean.  So besides what the grammar forbids, refused are:
 * bytes above 0x7e, escapes in names, two members of one name in an object,
 * NUL by escape, and more than the limits below.
 */
#ifndef ATTEST_JSONTEXT_H
#define ATTEST_JSONTEXT_H

#include <stddef.h>

#define JSONTEXT_MAX_LEN (1u << 20)
#define JSONTEXT_MAX_DEPTH 10u		/* objects and arrays inside one another */
#define JSONTEXT_MAX_MEMBERS 64u	/* of one object */
#define JSONTEXT_MAX_VALUES 50000u	/* in the whole text */

struct jsontext_span {
	const char *data;	/* in the caller's text, which it does not end */
	size_t len;
};

/** One value and white space around it.  -EBADMSG: not so; -E2BIG: beyond a limit. */
int jsontext_check(const char *text, size_t len);
/**
 * Where the value of member @name of the text's outermost object stands, without the white space around it.
 * Checks the whole text first: errors as above.  -ENOENT: no such member, or the text is no object.
 */
int jsontext_member(const char *text, size_t len, const char *name, struct jsontext_span *ret_value);

#endif
