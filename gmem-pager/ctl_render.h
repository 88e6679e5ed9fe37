/* SPDX-License-Identifier: MIT */
/* What gmemctl shows of a status (docs/control.md): for people, for a terminal, a line at a time. */
#ifndef GMEM_PAGER_CTL_RENDER_H
#define GMEM_PAGER_CTL_RENDER_H

#include <stdio.h>

#include <json-c/json.h>

#define CTL_RENDER_MAP_CELLS 192u

/* All of it, a name and a value a line. */
void ctl_render_status(struct json_object *status, FILE *file);

/* One line, for a log. */
void ctl_render_line(struct json_object *status, FILE *file);

/* A screen of @width columns, at least 40: bar, rates, histogram of fault latencies, map. */
void ctl_render_screen(struct json_object *status, unsigned int width, FILE *file);

/* Percent of the pages that are present, or were sent; 0 to 100. */
unsigned int ctl_render_percent(struct json_object *status);

/*
 * The text at @path, as "peer.link"; "" if there is none.  It may have come from another host: what is not printable
 * ASCII is '?'.  Good until the eighth call from now; one thread.
 */
const char *ctl_render_get(struct json_object *status, const char *path);

#endif
