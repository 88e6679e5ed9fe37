/* SPDX-License-Identifier: MIT */
/* gmem-attest: keys, tickets, and evidence for people to read; gmem-attest(1). */
#include <stdio.h>
#include <string.h>

#include "../attest.h"
#include "tool.h"

static const struct {
	const char *name, *what;
	int (*run)(int argc, const char **argv);
} commands[] = {
	{ "keygen", "make a key pair", keygen_main },
	{ "make-ticket", "sign who may move which VM to whom", ticket_main },
	{ "show", "print a ticket or evidence", show_main },
	{ "check", "judge evidence by a policy", check_main },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *out, int code)
{
	fputs("usage: gmem-attest COMMAND [OPTION...]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].what);
	fputs("\ngmem-attest COMMAND --help says more.  Exit codes: 0 done, or believed; 1 refused; 2 usage;\n"
	      "3 a file cannot be read, written or understood.\n", out);
	return code;
}

int main(int argc, const char **argv)
{
	if (!attest_init())
		return tool_fail(TOOL_UNREADABLE, "libsodium cannot be initialised");
	if (argc < 2)
		return usage(stderr, TOOL_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return usage(stdout, TOOL_OK);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "gmem-attest: %s: no such command\n", argv[1]);
	return usage(stderr, TOOL_USAGE);
}
