/* SPDX-License-Identifier: MIT */
/* The frame of each CUnit program here; the exit status is what meson looks at. */
#ifndef TESTS_PAGER_CHECK_H
#define TESTS_PAGER_CHECK_H

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/attest.h>

#include "uffd_open.h"

struct check {
	const char *name;
	CU_TestFunc run;
	bool kvm_only;	/* not with TEST_VM=uffd, and says so */
};

/* Runs @checks, ended by a NULL name; with an argument, only those whose name contains it. */
static inline int check_main(const char *suite_name, const struct check *checks, const char *only)
{
	const bool by_uffd = getenv("TEST_VM") != NULL && strcmp(getenv("TEST_VM"), "uffd") == 0;
	CU_pSuite suite;
	unsigned int n_failures;
	int fd;

	if (by_uffd) {
		fd = uffd_open();
		if (fd < 0) {
			fprintf(stderr, "skipped: userfaultfd is not to be had here: %s; run as root, or allow "
				"vm.unprivileged_userfaultfd or /dev/userfaultfd\n", strerror(-fd));
			return 77;
		}
		close(fd);
	}
	signal(SIGPIPE, SIG_IGN);
	if (!attest_init() || CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (; suite && checks->name; checks++) {
		if (by_uffd && checks->kvm_only)
			printf("not with TEST_VM=uffd: %s\n", checks->name);
		else if ((only == NULL || strstr(checks->name, only) != NULL) &&
			 !CU_add_test(suite, checks->name, checks->run))
			return EXIT_FAILURE;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (!suite || CU_basic_run_tests() != CUE_SUCCESS)
		return EXIT_FAILURE;
	n_failures = CU_get_number_of_failures() + (CU_get_number_of_asserts() == 0);
	CU_cleanup_registry();
	return n_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define CHECK_MAIN(suite_name, checks)							\
	int main(int argc, char **argv)							\
	{										\
		return check_main(suite_name, checks, argc > 1 ? argv[1] : NULL);	\
	}

#define CHECK_CONTAINS(text, part)							\
	do {										\
		if (strstr((text), (part)) == NULL)					\
			fprintf(stderr, "\n    \"%s\" does not contain \"%s\"", (text), (part)); \
		CU_ASSERT_PTR_NOT_NULL(strstr((text), (part)));				\
	} while (0)

#endif
