/* SPDX-License-Identifier: MIT */
/*
 * ctl: the client of the control socket, "gmem-testvmm ctl PATH COMMAND...".
 */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include <sys/un.h>

/** @retval -EINVAL @p path is too long. */
int control_address(const char *path, struct sockaddr_un *ret_address);

/** Send words as one line to @p path and print the answer. @return exit code: 0 if it was "ok" */
int control_client(const char *path, int n_words, const char *const *words);

#endif
