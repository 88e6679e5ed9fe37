/* SPDX-License-Identifier: MIT */
/* policy_text: what libconfig would take wrongly, or not name, and is refused before it reads the text. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_int.h"

#define SHOWN_MAX 60u		/* characters of a line that are shown */
#define MAX_DEPTH 16u		/* brackets in brackets; the deepest entry has 3 */

struct scan {
	struct policy_target *target;
	const char *text, *at;
	unsigned int line;	/* of @at */
	unsigned int depth;
	struct {
		char bracket;
		unsigned int line;
	} open[MAX_DEPTH];
};

static const char *line_start(const char *text, unsigned int line)
{
	while (line-- > 1) {
		text = strchr(text, '\n');
		if (!text)
			return "";
		text++;
	}
	return text;
}

/* What a terminal may show of it, without the spaces around it. */
static void show_line(const char *text, unsigned int line, char ret_shown[SHOWN_MAX + 4])
{
	const char *from = line_start(text, line);
	size_t len = strcspn(from, "\n"), n = 0;

	for (; len && isspace((unsigned char)*from); len--)
		from++;
	while (len && isspace((unsigned char)from[len - 1]))
		len--;
	for (; n < len && n < SHOWN_MAX; n++)
		ret_shown[n] = from[n] >= 0x20 && from[n] <= 0x7e ? from[n] : '?';
	strcpy(ret_shown + n, len > n ? "..." : "");
}

int policy_complain_line(struct policy_target *target, const char *text, unsigned int line, const char *format, ...)
{
	char shown[SHOWN_MAX + 4], said[ATTEST_POLICY_ERROR_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	show_line(text, line, shown);
	if (!*shown)
		return policy_complain(target, NULL, "line %u: (nothing): %s", line, said);
	return policy_complain(target, NULL, "line %u: `%s`: %s", line, shown, said);
}

int policy_complain_syntax(struct policy_target *target, const char *text, unsigned int line, const char *what)
{
	const char *hint = "see gmem-policy(5)";

	if (!strcmp(what, "syntax error"))
		hint = "look here and just before: entries are `name = value;`, sections `name: { ... };`";
	else if (!strncmp(what, "duplicate", 9))
		hint = "the entry stands above already; take one of the two out";
	else if (strstr(what, "array"))
		hint = "the values in [ ] are all of one kind";
	return policy_complain_line(target, text, line, "%s; %s", what, hint);
}

static void advance(struct scan *scan, const char *to)
{
	for (; scan->at < to; scan->at++)
		scan->line += *scan->at == '\n';
}

/* libconfig takes any other \c for two characters, and \x00 for the end of the string. */
static size_t escape_len(const char *at)
{
	if (at[1] && strchr("fnrt\\\"", at[1]))
		return 2;
	if (at[1] == 'x' && isxdigit((unsigned char)at[2]) && isxdigit((unsigned char)at[3]) &&
	    (at[2] != '0' || at[3] != '0'))
		return 4;
	return 0;
}

static int take_string(struct scan *scan)
{
	const unsigned int begin = scan->line;
	const char *at = scan->at + 1;

	while (*at && *at != '"') {
		size_t len = *at == '\\' ? escape_len(at) : 1;

		if (!len) {
			advance(scan, at);
			return policy_complain_line(scan->target, scan->text, scan->line, "a \\ in a string is followed by one of "
						    "f n r t \\ \" or by x and two hex digits, not 00");
		}
		at += len;
	}
	if (!*at)
		return policy_complain_line(scan->target, scan->text, begin, "a string begins here and does not end; write its \"");
	advance(scan, at + 1);
	return 0;
}

static int take_comment(struct scan *scan)
{
	const char *end;

	if (scan->at[1] == '*' && *scan->at == '/') {
		end = strstr(scan->at + 2, "*/");
		if (!end)
			return policy_complain_line(scan->target, scan->text, scan->line, "a comment begins here and does not end; "
						    "write its */");
		advance(scan, end + 2);
		return 0;
	}
	advance(scan, scan->at + strcspn(scan->at, "\n"));
	return 0;
}

static int take_bracket(struct scan *scan)
{
	static const char pairs[] = "{}[]()";
	const size_t which = (size_t)(strchr(pairs, *scan->at) - pairs);

	if (which % 2 == 0) {
		if (scan->depth == MAX_DEPTH)
			return policy_complain_line(scan->target, scan->text, scan->line, "more than %u brackets in each other",
						    MAX_DEPTH);
		scan->open[scan->depth].bracket = *scan->at;
		scan->open[scan->depth++].line = scan->line;
	} else if (!scan->depth) {
		return policy_complain_line(scan->target, scan->text, scan->line, "the %c closes nothing; take it out", *scan->at);
	} else if (scan->open[--scan->depth].bracket != pairs[which - 1]) {
		return policy_complain_line(scan->target, scan->text, scan->line, "the %c closes a %c of line %u; close that first",
					    *scan->at, scan->open[scan->depth].bracket, scan->open[scan->depth].line);
	}
	advance(scan, scan->at + 1);
	return 0;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '*' ||
	       c == '-' || c == '+' || c == '.';
}

/* libconfig keeps 32 bits of a number and says nothing about the others. */
static bool is_too_large(const char *word, size_t len)
{
	char *end;
	unsigned long long number;

	if (*word == '-' || *word == '+')
		word++, len--;
	if (*word < '0' || *word > '9' || !len)
		return false;
	errno = 0;
	number = strtoull(word, &end, len > 2 && (word[1] == 'x' || word[1] == 'X') ? 16 : 10);
	return number > INT32_MAX || errno;
}

static int take_word(struct scan *scan)
{
	const char *end = scan->at;

	while (is_word(*end))
		end++;
	if (is_too_large(scan->at, (size_t)(end - scan->at)))
		return policy_complain(scan->target, NULL, "line %u: %.20s: numbers above 2147483647 are written as "
				       "\"0x...\"", scan->line, scan->at);
	advance(scan, end);
	return 0;
}

static int take_next(struct scan *scan)
{
	const char *at = scan->at;

	if (is_word(*at))
		return take_word(scan);
	if (*at == '"')
		return take_string(scan);
	if (*at == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*')))
		return take_comment(scan);
	if (strchr("{}[]()", *at))
		return take_bracket(scan);
	advance(scan, at + 1);
	return 0;
}

int policy_check_text(struct policy_target *target, const char *text)
{
	struct scan scan = { .target = target, .text = text, .at = text, .line = 1 };
	const char *include = strstr(text, "@include");

	/* wherever it stands: not even a comment names a file that might be read */
	if (include) {
		advance(&scan, include);
		return policy_complain_line(target, text, scan.line, "@include is not taken, in a comment neither; a policy is one "
					    "file, write all of it here");
	}
	while (*scan.at) {
		int ret = take_next(&scan);

		if (ret)
			return ret;
	}
	if (scan.depth)
		return policy_complain_line(target, text, scan.open[scan.depth - 1].line, "the %c here is not closed",
					    scan.open[scan.depth - 1].bracket);
	return 0;
}
