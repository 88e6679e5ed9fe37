/* SPDX-License-Identifier: MIT */
/*
 * corpus: run a fuzz target over each file of the folders on the command line, as a plain test.
 * With --seeds the first folder must also hold the target's seeds as they are made today: a
 * format that has changed since leaves a corpus that is refused at its first byte.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (4u << 20)

/* From malloc, exactly as long as the file: a read beyond it is seen. */
static int run_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	uint8_t *exact;
	size_t len;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	memcpy(exact, bytes, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

/* Files run, or -1. */
static int run_folder(const char *folder)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int n = 0;

	if (!dir) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	while (n >= 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n = run_file(path) ? -1 : n + 1;
	}
	closedir(dir);
	return n;
}

static const char *seeds_folder;
static int n_seeds, n_stale;

static void check_seed(const char *name, const uint8_t *data, size_t size)
{
	static uint8_t there[INPUT_MAX];
	char path[4096];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", seeds_folder, name);
	file = fopen(path, "rb");
	len = file ? fread(there, 1, sizeof(there), file) : 0;
	if (!file || len != size || memcmp(there, data, size)) {
		fprintf(stderr, "%s: not the seed that is made now; tests/fuzz/run --seed writes it\n", path);
		n_stale++;
	}
	if (file)
		fclose(file);
	n_seeds++;
}

/* Before any input: what a target keeps from one to the next is no part of its seeds. */
static bool seeds_are_there(const char *folder)
{
	seeds_folder = folder;
	fuzz_seeds(check_seed);
	printf("%s: %d seeds, %d stale\n", folder, n_seeds, n_stale);
	return n_seeds > 0 && n_stale == 0;
}

int main(int argc, char **argv)
{
	const int first = argc > 1 && !strcmp(argv[1], "--seeds") ? 2 : 1;

	LLVMFuzzerInitialize(&argc, &argv);
	if (first == 2 && (argc < 3 || !seeds_are_there(argv[2])))
		return EXIT_FAILURE;
	for (int i = first; i < argc; i++) {
		int n = run_folder(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: no inputs; tests/fuzz/run --seed writes them\n", argv[i]);
			return EXIT_FAILURE;
		}
		printf("%s: %d inputs\n", argv[i], n);
	}
	return argc > first ? EXIT_SUCCESS : EXIT_FAILURE;
}
