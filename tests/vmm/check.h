/* SPDX-License-Identifier: MIT */
/*
 * check: the main() of a CUnit program with one suite.
 */
#ifndef VMM_CHECK_H
#define VMM_CHECK_H

#include <CUnit/Basic.h>

struct check_case {
	const char *name;
	void (*run)(void);
};

/* Prints CUnit's summary. @return exit code: 0 only if every case ran and passed. */
static inline int check_run(const char *suite_name, const struct check_case *cases, size_t n_cases)
{
	unsigned int failures;
	CU_pSuite suite;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (size_t i = 0; i < n_cases; i++) {
		if (!suite || !CU_add_test(suite, cases[i].name, cases[i].run))
			return 1;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures() + (CU_get_number_of_tests_run() != n_cases);
	CU_cleanup_registry();
	return failures ? 1 : 0;
}

#endif
