/* SPDX-License-Identifier: MIT */
/*
 * bench_kernel: what the kernel half costs, in counted instructions
 *
 *   bench_kernel [--vcpus N] [--only PART]...
 *
 * Prints "raw NAME VALUE"; tests/dev/kernel_figures.py makes the table of it.
 * Runs on a test host of `bed up --icount`; the part "anon" on an unpatched kernel too.
 */
#include <getopt.h>
#include <stdbool.h>

#include "count.h"
#include "figures.h"
#include "need.h"
#include "vm.h"

static const struct {
	const char *name;
	void (*run)(unsigned int n_vcpus);
} parts[] = {
	{ "anon", fault_anon },
	{ "uffd", fault_uffd },
	{ "paged", fault_paged },
	{ "bulk", bulk_all },
	{ "mark", mark_all },
	{ "store", store_all },
	{ "freeze", freeze_all },
	{ "slot", slot_all },
	{ "steps", steps_all },
	{ "huge", huge_all },
};

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static void usage(void)
{
	fprintf(stderr, "usage: bench_kernel [--vcpus N] [--only PART]...; parts:");
	for (unsigned int i = 0; i < N_PARTS; i++)
		fprintf(stderr, " %s", parts[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static unsigned int part_find(const char *name)
{
	for (unsigned int i = 0; i < N_PARTS; i++) {
		if (!strcmp(parts[i].name, name))
			return i;
	}
	usage();
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "vcpus", required_argument, NULL, 'v' },
		{ "only", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	bool chosen[N_PARTS] = { false }, all = true;
	unsigned int n_vcpus = 2;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'v') {
			n_vcpus = (unsigned int)atoi(optarg);
		} else if (c == 'o') {
			chosen[part_find(optarg)] = true;
			all = false;
		} else {
			usage();
		}
	}
	if (optind < argc || n_vcpus < 1 || n_vcpus > VM_MAX_VCPUS)
		usage();
	count_verify();
	for (unsigned int i = 0; i < N_PARTS; i++) {
		if (all || chosen[i])
			parts[i].run(n_vcpus);
	}
	return 0;
}
