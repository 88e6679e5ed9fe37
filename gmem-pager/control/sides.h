/* SPDX-License-Identifier: MIT */
/* What a pager and a source give to the desk; the opaque is a struct pager, a struct source or a struct suspend. */
#ifndef GMEM_PAGER_CONTROL_SIDES_H
#define GMEM_PAGER_CONTROL_SIDES_H

#include "desk.h"

extern const struct desk_ops sides_pager, sides_source, sides_suspend;

#endif
