/* SPDX-License-Identifier: MIT */
/* policy_text: what libconfig would take wrongly, and is refused before it reads the text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy_int.h"

/* The end of the string, comment or other byte at @at. */
static const char *skip(const char *at)
{
	const char *end;

	if (*at == '"') {
		for (at++; *at && *at != '"'; at++)
			if (*at == '\\' && at[1])
				at++;
		return *at ? at + 1 : at;
	}
	if (*at == '#' || (at[0] == '/' && at[1] == '/'))
		return at + strcspn(at, "\n");
	if (at[0] == '/' && at[1] == '*') {
		end = strstr(at + 2, "*/");
		return end ? end + 2 : at + strlen(at);
	}
	return at + 1;
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

int policy_check_text(struct policy_target *target, const char *text)
{
	unsigned int line = 1;

	if (strstr(text, "@include"))
		return policy_complain(target, NULL, "@include is not taken");
	while (*text) {
		const char *from = text;

		while (is_word(*text))
			text++;
		if (text > from && is_too_large(from, (size_t)(text - from)))
			return policy_complain(target, NULL, "line %u: %.20s: numbers above 2147483647 are written as "
					       "\"0x...\"", line, from);
		if (text == from)
			text = skip(text);
		for (; from < text; from++)
			line += *from == '\n';
	}
	return 0;
}
