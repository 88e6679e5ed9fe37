/* SPDX-License-Identifier: MIT */
/* seed: write a fuzz target's seeds into the folder on the command line. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"

static const char *folder;

static void write_seed(const char *name, const uint8_t *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return EXIT_FAILURE;
	}
	LLVMFuzzerInitialize(&argc, &argv);
	folder = argv[1];
	fuzz_seeds(write_seed);
	return EXIT_SUCCESS;
}
