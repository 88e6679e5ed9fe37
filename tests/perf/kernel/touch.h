/* SPDX-License-Identifier: MIT */
/* All vCPUs of a VM write to all of its data, each in a thread. */
#ifndef PERF_TOUCH_H
#define PERF_TOUCH_H

#include "vm.h"

/*
 * Instructions per page, from letting the threads go until all have ended.  Pages
 * that are missing are populated through @session_fd by the thread that met them.
 */
double touch_measure(struct vm *vm, int session_fd);

#endif
