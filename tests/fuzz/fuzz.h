/* SPDX-License-Identifier: MIT */
/*
 * fuzz: what each target gives: libFuzzer's entry, and seeds for its corpus.
 * The same file is linked with libFuzzer (tests/fuzz/run), with corpus.c (the
 * checked-in inputs as a plain test) and with seed.c (which writes them).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Call @emit for each seed. */
void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size));

/* A broken promise ends the program, whatever NDEBUG says. */
#define FUZZ_NEED(condition)								\
	do {										\
		if (!(condition)) {							\
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);	\
			abort();							\
		}									\
	} while (0)

#endif
