/* SPDX-License-Identifier: MIT */
/* What gmemctl --help prints. */
#ifndef GMEM_PAGER_CTL_USAGE_H
#define GMEM_PAGER_CTL_USAGE_H

extern const char ctl_usage[];

#endif
