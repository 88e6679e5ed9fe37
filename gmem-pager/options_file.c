// SPDX-License-Identifier: MIT
/*
 * Options from a file: NAME = VALUE a line, as --NAME=VALUE on the command line, which popt reads then.  popt's own reader
 * of such files drops without a word what it does not understand.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/file.h>

#include "options_int.h"

#define FILE_MAX_LEN 65536u
#define LINE_MAX_LEN 1024u

struct seen {
	const struct options_tables *tables;
	unsigned int line[OPTIONS_N_OWN + OPTIONS_N_COMMON];	/* where the option stands; 0: nowhere yet */
};

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* Where the option stands in the tables, counted through both; -1: nowhere. */
static int find(const struct options_tables *tables, const char *name)
{
	int i;

	for (i = 0; tables->own[i].longName != NULL; i++)
		if (strcmp(tables->own[i].longName, name) == 0)
			return i;
	for (i = 1; tables->common[i].longName != NULL; i++)	/* after what includes own */
		if (strcmp(tables->common[i].longName, name) == 0)
			return OPTIONS_N_OWN + i;
	return -1;
}

/* Is it an option that a file may have, and for the first time? */
static int check_name(const struct options *options, const char *name, unsigned int line, struct seen *seen)
{
	const int at = find(seen->tables, name);
	char what[64];

	if (at < 0 || strcmp(name, "config") == 0 || strcmp(name, "help") == 0 || strcmp(name, "version") == 0 ||
	    strcmp(name, "allow-rollback") == 0)
		return options_complain(options, name, "no option that can stand in a file");
	snprintf(what, sizeof(what), "stands in line %u already", seen->line[at]);
	if (seen->line[at] != 0)
		return options_complain(options, name, what);
	seen->line[at] = line;
	return 0;
}

static int take_line(struct options *options, char *text, unsigned int line, struct seen *seen)
{
	char word[LINE_MAX_LEN + 4], *equals, *name, *value;
	const char *argv[] = { options->program, word, NULL };
	int r;

	if (strlen(text) > LINE_MAX_LEN)
		return options_complain(options, "the line", "is longer than 1024 bytes");
	name = trim(text);
	if (name[0] == '\0' || name[0] == '#')
		return 0;
	equals = strchr(name, '=');
	if (equals == NULL)
		return options_complain(options, "the line", "is not NAME = VALUE");
	*equals = '\0';
	name = trim(name);
	if (name[0] == '\0')
		return options_complain(options, "the line", "is not NAME = VALUE");
	value = trim(equals + 1);
	r = check_name(options, name, line, seen);
	if (r == 0 && value[0] == '\0')
		r = options_complain(options, name, "has no value");
	if (r < 0)
		return r;
	snprintf(word, sizeof(word), "--%s=%s", name, value);
	r = options_parse_words(options, 2, argv);
	return r == 0 ? options_check_values(options) : -EINVAL;
}

static int take_lines(struct options *options, const char *path, char *text)
{
	struct options_tables tables;
	struct seen seen = { .tables = &tables };
	unsigned int line;
	char *next;
	int r = 0;

	options_fill_tables(&tables, options);
	for (line = 1; text != NULL && r == 0; line++, text = next) {
		next = strchr(text, '\n');
		if (next != NULL)
			*next++ = '\0';
		snprintf(options->where, sizeof(options->where), "%s:%u: ", path, line);
		r = take_line(options, text, line, &seen);
	}
	options->where[0] = '\0';
	return r;
}

int options_read_file(struct options *options, const char *path)
{
	char what[128];
	uint8_t *bytes;
	size_t len;
	int r = file_read(path, FILE_MAX_LEN, &bytes, &len);

	if (r < 0) {
		snprintf(what, sizeof(what), "cannot be read: %s", r == -EFBIG ? "it is longer than 64 KiB" : strerror(-r));
		return options_complain(options, path, what);
	}
	if (memchr(bytes, '\0', len) != NULL)
		r = options_complain(options, path, "a NUL byte is in it; options are text");
	else
		r = take_lines(options, path, (char *)bytes);
	free(bytes);
	return r;
}
