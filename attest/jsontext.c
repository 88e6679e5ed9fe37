/* SPDX-License-Identifier: MIT */
/* jsontext: see jsontext.h.  One scanner that goes down by calls, as deep as JSONTEXT_MAX_DEPTH. */
#include "jsontext.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct scan {
	const char *at;
	const char *end;
	const char *wanted;		/* member of the outermost object; NULL: none */
	struct jsontext_span found;
	unsigned int depth;
	unsigned int n_values;
	int error;			/* the first one stays */
};

static int scan_value(struct scan *scan);

static int fail(struct scan *scan, int error)
{
	if (!scan->error)
		scan->error = error;
	return scan->error;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* NUL at the end of the text, which is a character nowhere in JSON. */
static char peek(const struct scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\0';
}

static void skip_space(struct scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
		scan->at++;
}

static int take(struct scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return fail(scan, -EBADMSG);
	scan->at++;
	return 0;
}

/* After the backslash. */
static int scan_escape(struct scan *scan)
{
	const char *digits = scan->at + 1;

	if (peek(scan) == 'u') {
		if (scan->end - digits < 4)
			return fail(scan, -EBADMSG);
		for (size_t i = 0; i < 4; i++)
			if (!is_hex(digits[i]))
				return fail(scan, -EBADMSG);
		/* one half of a pair, and NUL, mean different things to different readers */
		if (memcmp(digits, "0000", 4) == 0 || digits[0] == 'd' || digits[0] == 'D')
			return fail(scan, -EBADMSG);
		scan->at += 5;
		return 0;
	}
	if (!peek(scan) || !strchr("\"\\/bfnrt", peek(scan)))
		return fail(scan, -EBADMSG);
	scan->at++;
	return 0;
}

static int scan_string(struct scan *scan, bool escapes, struct jsontext_span *ret_inside)
{
	const char *from;

	if (take(scan, '"') < 0)
		return scan->error;
	from = scan->at;
	while (scan->at < scan->end && *scan->at != '"') {
		const char c = *scan->at++;

		if (c < 0x20 || c > 0x7e)
			return fail(scan, -EBADMSG);
		if (c != '\\')
			continue;
		if (!escapes)
			return fail(scan, -EBADMSG);
		if (scan_escape(scan) < 0)
			return scan->error;
	}
	*ret_inside = (struct jsontext_span){ from, (size_t)(scan->at - from) };
	return take(scan, '"');
}

static int scan_digits(struct scan *scan)
{
	if (!is_digit(peek(scan)))
		return fail(scan, -EBADMSG);
	while (is_digit(peek(scan)))
		scan->at++;
	return 0;
}

static int scan_number(struct scan *scan)
{
	if (peek(scan) == '-')
		scan->at++;
	if (peek(scan) == '0')
		scan->at++;
	else if (scan_digits(scan) < 0)
		return scan->error;
	if (peek(scan) == '.') {
		scan->at++;
		if (scan_digits(scan) < 0)
			return scan->error;
	}
	if (peek(scan) == 'e' || peek(scan) == 'E') {
		scan->at++;
		if (peek(scan) == '+' || peek(scan) == '-')
			scan->at++;
		if (scan_digits(scan) < 0)
			return scan->error;
	}
	return 0;
}

static int scan_word(struct scan *scan, const char *word)
{
	while (*word)
		if (take(scan, *word++) < 0)
			return scan->error;
	return 0;
}

static bool is_new(const struct jsontext_span *names, size_t n_names, const struct jsontext_span *name)
{
	for (size_t i = 0; i < n_names; i++)
		if (names[i].len == name->len && memcmp(names[i].data, name->data, name->len) == 0)
			return false;
	return true;
}

/* Is this the member that is looked for? */
static bool is_wanted(const struct scan *scan, const struct jsontext_span *name)
{
	return scan->wanted && scan->depth == 1 && strlen(scan->wanted) == name->len &&
	       memcmp(scan->wanted, name->data, name->len) == 0;
}

static int scan_member(struct scan *scan, struct jsontext_span *names, size_t n_names)
{
	const char *from;
	bool wanted;

	skip_space(scan);
	if (scan_string(scan, false, &names[n_names]) < 0)
		return scan->error;
	if (!is_new(names, n_names, &names[n_names]))
		return fail(scan, -EBADMSG);
	wanted = is_wanted(scan, &names[n_names]);
	skip_space(scan);
	if (take(scan, ':') < 0)
		return scan->error;
	skip_space(scan);
	from = scan->at;
	if (scan_value(scan) < 0)
		return scan->error;
	if (wanted)
		scan->found = (struct jsontext_span){ from, (size_t)(scan->at - from) };
	skip_space(scan);
	return 0;
}

static int scan_object(struct scan *scan)
{
	struct jsontext_span names[JSONTEXT_MAX_MEMBERS];
	size_t n_names = 0;

	scan->at++;
	skip_space(scan);
	if (peek(scan) == '}')
		return take(scan, '}');
	for (;;) {
		if (n_names == JSONTEXT_MAX_MEMBERS)
			return fail(scan, -E2BIG);
		if (scan_member(scan, names, n_names++) < 0)
			return scan->error;
		if (peek(scan) != ',')
			return take(scan, '}');
		scan->at++;
	}
}

static int scan_array(struct scan *scan)
{
	scan->at++;
	skip_space(scan);
	if (peek(scan) == ']')
		return take(scan, ']');
	for (;;) {
		skip_space(scan);
		if (scan_value(scan) < 0)
			return scan->error;
		skip_space(scan);
		if (peek(scan) != ',')
			return take(scan, ']');
		scan->at++;
	}
}

static int scan_nested(struct scan *scan)
{
	int r;

	if (scan->depth == JSONTEXT_MAX_DEPTH)
		return fail(scan, -E2BIG);
	scan->depth++;
	r = peek(scan) == '{' ? scan_object(scan) : scan_array(scan);
	scan->depth--;
	return r;
}

static int scan_value(struct scan *scan)
{
	struct jsontext_span inside;

	if (++scan->n_values > JSONTEXT_MAX_VALUES)
		return fail(scan, -E2BIG);
	switch (peek(scan)) {
	case '{':
	case '[':
		return scan_nested(scan);
	case '"':
		return scan_string(scan, true, &inside);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	default:
		return scan_number(scan);
	}
}

static int scan_text(struct scan *scan, const char *text, size_t len)
{
	if (len > JSONTEXT_MAX_LEN)
		return -E2BIG;
	if (!len)
		return -EBADMSG;
	scan->at = text;
	scan->end = text + len;
	skip_space(scan);
	if (scan_value(scan) < 0)
		return scan->error;
	skip_space(scan);
	return scan->at == scan->end ? 0 : -EBADMSG;
}

int jsontext_check(const char *text, size_t len)
{
	struct scan scan = { 0 };

	return scan_text(&scan, text, len);
}

int jsontext_member(const char *text, size_t len, const char *name, struct jsontext_span *ret_value)
{
	struct scan scan = { .wanted = name };
	int r = scan_text(&scan, text, len);

	if (r < 0)
		return r;
	if (!scan.found.data)
		return -ENOENT;
	*ret_value = scan.found;
	return 0;
}
