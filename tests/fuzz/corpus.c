/* SPDX-License-Identifier: MIT */
/* corpus: run a fuzz target over each file of the folders on the command line, as a plain test. */
#include <dirent.h>
#include <errno.h>
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

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		int n = run_folder(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: no inputs; tests/fuzz/run --seed writes them\n", argv[i]);
			return EXIT_FAILURE;
		}
		printf("%s: %d inputs\n", argv[i], n);
	}
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
