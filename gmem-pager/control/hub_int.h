/* SPDX-License-Identifier: MIT */
/* Between hub.c (what the owner calls) and hub_serve.c (the thread). */
#ifndef GMEM_PAGER_CONTROL_HUB_INT_H
#define GMEM_PAGER_CONTROL_HUB_INT_H

#include <pthread.h>

#include "caller.h"
#include "hub.h"

#define HUB_MAX_CALLERS (HUB_MAX_CHANGING + HUB_MAX_VIEWING)

enum { HUB_CHANGING, HUB_VIEWING, HUB_N_DOORS };

enum hub_order_state { HUB_ORDER_NONE, HUB_ORDER_GIVEN, HUB_ORDER_TAKEN, HUB_ORDER_DONE };

struct hub {
	struct hub_config config;
	const char *paths[HUB_N_DOORS];	/* NULL: none */
	int doors[HUB_N_DOORS];
	int order_fd, wake_fd;
	const struct report_names *names;
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock;
	bool stopping;			/* lock */
	struct snapshot published;	/* lock */
	enum hub_order_state order_state;	/* lock */
	struct hub_order order;		/* lock */
	enum hub_result result;		/* lock */
	char sentence[HUB_ERROR_LEN];	/* lock */
	unsigned int n_callers;		/* lock */
	/* The thread's own from here on. */
	struct snapshot seen;
	uint64_t now_us;
	uint64_t deaf_until_us;
	uint64_t serial;
	uint64_t order_serial;		/* whose order it is */
	uint64_t denied_us;		/* when a command on the wrong socket was logged last */
	struct caller callers[HUB_MAX_CALLERS];
};

/* Make an eventfd readable, and not readable. */
void hub_raise_fd(int fd);
void hub_lower_fd(int fd);

/* The thread; @hub. */
void *hub_serve(void *hub);

#endif
