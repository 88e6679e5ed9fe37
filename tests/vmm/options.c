// SPDX-License-Identifier: MIT
#include "options.h"

#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define MIN_MEM_MIB	64
#define MAX_MEM_MIB	2048
#define MAX_VCPUS	2

static const char explanation[] =
	"\n"
	"Control (lines on the unix socket of --control, or: gmem-testvmm ctl PATH COMMAND...):\n"
	"  status                        one line of JSON\n"
	"  wait-fixed [SECONDS]          until the guest said where its never-written pages are\n"
	"  wait-round N [SECONDS]        until every vCPU finished round N\n"
	"  wait-more N [SECONDS]         until every vCPU finished N more rounds than now\n"
	"  wait-move [SECONDS]           until the move is complete, or failed\n"
	"  pause, resume                 stop and start the vCPUs\n"
	"  freeze-hash OUT [CONSOLE]     pause, freeze in the kernel, hash the never-written pages (as\n"
	"                                FIXED lines in the file CONSOLE say; default: as seen here)\n"
	"                                into OUT, thaw, resume\n"
	"  move [OUT]                    source: move the guest; hash into OUT while frozen\n"
	"                                (a guest that came in whole may leave again, to --gmem-source)\n"
	"  step N                        what the guest reads of --conversion\n"
	"  save FILE                     shared RAM only: write RAM and state to FILE, and end\n"
	"  quit                          end with code 0; refused in mid-move\n"
	"wait-... also waits, up to 10 seconds, for a VMM that does not listen yet.\n"
	"SECONDS defaults to 120.  Answers are \"ok\", \"ok TEXT\" or \"error SENTENCE\".\n"
	"A hash file has 40 bytes per page: GFN (64 bits, little endian), BLAKE2b-256.\n"
	"\n"
	"Exit codes:\n"
	"  0  guest powered off, or moved away completely, or quit\n"
	"  1  could not start: the sentence says why\n"
	"  2  wrong usage\n"
	"  3  guest stopped: memory is missing and nobody brings it, or an incoming move failed\n"
	"  4  in doubt: the guest is frozen here, the destination may have started it\n"
	"  5  guest crashed, or KVM failed\n";

static int check_conversion(struct options *options, const char *conversion)
{
	if (!strcmp(conversion, "right"))
		options->conversion = CONVERSION_RIGHT;
	else if (!strcmp(conversion, "bare"))
		options->conversion = CONVERSION_BARE;
	else if (strcmp(conversion, "off"))
		return error_set(-EINVAL, "--conversion=%s: give off, right or bare", conversion);
	if (options->conversion != CONVERSION_OFF && options->shared_ram)
		return error_set(-EINVAL, "--conversion goes with --ram=private");
	return 0;
}

static int check(struct options *options, const char *ram, const char *paging)
{
	if (!strcmp(ram, "shared"))
		options->shared_ram = true;
	else if (strcmp(ram, "private"))
		return error_set(-EINVAL, "--ram=%s: give private or shared", ram);
	if (!paging)
		options->paging = options->shared_ram && !options->gmem_source && !options->incoming ? PAGING_OFF : PAGING_WAIT;
	else if (!strcmp(paging, "off"))
		options->paging = PAGING_OFF;
	else if (!strcmp(paging, "wait"))
		options->paging = PAGING_WAIT;
	else if (!strcmp(paging, "exit"))
		options->paging = PAGING_EXIT;
	else
		return error_set(-EINVAL, "--paging=%s: give wait, exit or off", paging);
	if (options->paging == PAGING_OFF && (!options->shared_ram || options->gmem_source || options->incoming))
		return error_set(-EINVAL, "--paging=off goes with --ram=shared and without a move only");
	if (options->mem_mib < MIN_MEM_MIB || options->mem_mib > MAX_MEM_MIB || options->mem_mib % 2)
		return error_set(-EINVAL, "--mem=%d: give an even number from %d to %d", options->mem_mib, MIN_MEM_MIB,
				 MAX_MEM_MIB);
	if (options->n_vcpus < 1 || options->n_vcpus > MAX_VCPUS)
		return error_set(-EINVAL, "--vcpus=%d: give 1 or %d", options->n_vcpus, MAX_VCPUS);
	if (!!options->kernel + !!options->incoming + !!options->restore != 1)
		return error_set(-EINVAL, "give one of --kernel, --incoming and --restore (--help explains)");
	if (options->restore && !options->shared_ram)
		return error_set(-EINVAL, "--restore needs --ram=shared");
	if (options->gmem_source && (options->restore || !options->control))
		return error_set(-EINVAL, "--gmem-source needs --control, and goes with --kernel and --incoming");
	return 0;
}

/* popt hands out strings; those with a default are kept apart. */
int options_parse(int argc, const char **argv, struct options *ret_options)
{
	struct options options = { .mem_mib = 256, .n_vcpus = 1, .service_wait_s = 600 };
	char *ram = NULL, *paging = NULL, *conversion = NULL;
	int help = 0, rc, err = 0;
	const struct poptOption table[] = {
		{ "kernel", 'k', POPT_ARG_STRING, &options.kernel, 0, "bzImage to boot", "FILE" },
		{ "initrd", 'i', POPT_ARG_STRING, &options.initrd, 0, "its initramfs", "FILE" },
		{ "append", 'a', POPT_ARG_STRING, &options.append, 0, "added to the kernel's command line", "TEXT" },
		{ "mem", 'm', POPT_ARG_INT, &options.mem_mib, 0, "guest RAM (256)", "MIB" },
		{ "vcpus", 'c', POPT_ARG_INT, &options.n_vcpus, 0, "1 or 2 (1)", "N" },
		{ "ram", 0, POPT_ARG_STRING, &ram, 0, "private (guest_memfd, default) or shared", "KIND" },
		{ "paging", 0, POPT_ARG_STRING, &paging, 0, "on a missing page: wait (default) or exit; or off", "MODE" },
		{ "conversion", 0, POPT_ARG_STRING, &conversion, 0,
		  "the guest may discard and convert pages: off (default), right, or bare (wrong)", "MODE" },
		{ "console", 0, POPT_ARG_STRING, &options.console, 0, "append the guest's output here, besides stdout", "FILE" },
		{ "control", 0, POPT_ARG_STRING, &options.control, 0, "unix socket for commands", "PATH" },
		{ "gmem-source", 0, POPT_ARG_STRING, &options.gmem_source, 0, "gmem-source's socket: guest may move (on)", "PATH" },
		{ "incoming", 0, POPT_ARG_STRING, &options.incoming, 0, "gmem-pager's socket: receive the guest", "PATH" },
		{ "service-wait", 0, POPT_ARG_INT, &options.service_wait_s, 0,
		  "let gmem-source or gmem-pager be away for so long (600)", "SECONDS" },
		{ "restore", 0, POPT_ARG_STRING, &options.restore, 0, "go on from a file written by \"save\"", "FILE" },
		{ "report", 0, POPT_ARG_STRING, &options.report, 0, "write figures of the move as JSON at the end", "FILE" },
		{ "help", 'h', POPT_ARG_NONE, &help, 0, "show this", NULL },
		POPT_TABLEEND
	};
	poptContext context = poptGetContext("gmem-testvmm", argc, argv, table, 0);

	poptSetOtherOptionHelp(context, "OPTION...  |  ctl PATH COMMAND...\n"
			       "Small virtual machine monitor whose guest's memory can move with gmem.\n\nOptions:");
	rc = poptGetNextOpt(context);
	if (rc < -1)
		err = error_set(-EINVAL, "%s: %s", poptBadOption(context, 0), poptStrerror(rc));
	else if (poptPeekArg(context))
		err = error_set(-EINVAL, "%s: not an option", poptPeekArg(context));
	if (help) {
		poptPrintHelp(context, stdout, 0);
		fputs(explanation, stdout);
		err = 1;
	}
	poptFreeContext(context);
	if (!err)
		err = check(&options, ram ? ram : "private", paging);
	if (!err)
		err = check_conversion(&options, conversion ? conversion : "off");
	free(ram);
	free(paging);
	free(conversion);
	if (err)
		options_fini(&options);
	else
		*ret_options = options;
	return err;
}

void options_fini(struct options *options)
{
	free(options->kernel);
	free(options->initrd);
	free(options->append);
	free(options->console);
	free(options->control);
	free(options->report);
	free(options->gmem_source);
	free(options->incoming);
	free(options->restore);
	memset(options, 0, sizeof(*options));
}
