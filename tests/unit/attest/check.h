/* SPDX-License-Identifier: MIT */
/* check: the frame of each CUnit program here; the exit status is what meson looks at. */
#ifndef TESTS_ATTEST_CHECK_H
#define TESTS_ATTEST_CHECK_H

#include <CUnit/Basic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/attest.h>

struct check {
	const char *name;
	CU_TestFunc run;
};

/* Runs @checks, ended by a NULL name. */
static inline int check_main(const char *suite_name, const struct check *checks)
{
	CU_pSuite suite;
	unsigned int n_failures;

	if (!attest_init() || CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (; suite && checks->name; checks++)
		if (!CU_add_test(suite, checks->name, checks->run))
			return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (!suite || CU_basic_run_tests() != CUE_SUCCESS)
		return EXIT_FAILURE;
	n_failures = CU_get_number_of_failures() + (CU_get_number_of_asserts() == 0);
	CU_cleanup_registry();
	return n_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Loops of thousands of cases say which one broke, and count as one assertion. */
#define CHECK_LOOP_BEGIN() bool check_ok_ = true
#define CHECK_LOOP(condition, ...)					\
	do {								\
		if (!(condition) && check_ok_) {			\
			check_ok_ = false;				\
			fprintf(stderr, "\n%s: not (%s): ", __func__, #condition); \
			fprintf(stderr, __VA_ARGS__);			\
			fputc('\n', stderr);				\
		}							\
	} while (0)
#define CHECK_LOOP_END() CU_ASSERT_TRUE(check_ok_)

#endif
