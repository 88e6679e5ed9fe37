// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../log.h"
#include "desk.h"

#define BUSY_US 200000u		/* between two looks while somebody watches */
#define IDLE_US 1000000u	/* and while nobody does: counting missing pages is not for nothing */

void desk_init(struct desk *desk, struct session *session, const struct desk_ops *ops, void *opaque, struct hub *hub,
	       struct notify *notify)
{
	memset(desk, 0, sizeof(*desk));
	desk->session = session;
	desk->ops = ops;
	desk->opaque = opaque;
	desk->hub = hub;
	desk->notify = notify;
}

/* One line for the service manager. */
static void summarise(const struct snapshot *snapshot, char *ret_line, size_t len)
{
	const struct gmem_progress *progress = &snapshot->progress;
	const uint64_t left = snapshot_left(snapshot);
	int n;

	n = snprintf(ret_line, len, "%s", ask_phase_name(progress->phase));
	if (progress->phase == GMEM_PHASE_RUNNING && progress->pages_total > 0 && n > 0 && (size_t)n < len)
		n += snprintf(ret_line + n, len - (size_t)n, ", %u%% of the pages",
			      (unsigned int)((progress->pages_total - (left < progress->pages_total ? left :
			      progress->pages_total)) * 100u / progress->pages_total));
	if (snapshot->waits_for != WATCH_NOTHING && snapshot->waits_ms >= 2000u && n > 0 && (size_t)n < len)
		n += snprintf(ret_line + n, len - (size_t)n, "; for %u s it has waited for %s",
			      (unsigned int)(snapshot->waits_ms / 1000u), watch_text(snapshot->waits_for));
	if (progress->link == GMEM_LINK_LOST && n > 0 && (size_t)n < len)
		snprintf(ret_line + n, len - (size_t)n, "; LOST: an operator has to decide");
}

static void look(struct desk *desk)
{
	struct gmem_progress progress;
	struct snapshot_side side = { .n_waiting = 0 };
	char line[NOTIFY_STATUS_LEN];

	desk->ops->progress(desk->opaque, &progress);
	desk->ops->look(desk->opaque, &side);
	side.can_pause = desk->ops->pause != NULL;
	snapshot_take(desk->session, &progress, &side, &desk->past, &desk->snapshot);
	if (watch_stalls(&desk->past.watch, desk->snapshot.taken_us))
		log_warn("stalled: for %llu s it has waited for %s", (unsigned long long)(desk->snapshot.waits_ms / 1000u),
			 watch_text(desk->snapshot.waits_for));
	if (desk->notify != NULL) {
		summarise(&desk->snapshot, line, sizeof(line));
		notify_status(desk->notify, line, desk->snapshot.taken_us);
	}
}

/* Looks as often as somebody wants to know, and always when the phase is another. */
static void look_if_due(struct desk *desk)
{
	const uint64_t now_us = stats_now_us();
	const enum gmem_phase phase = session_get_phase(desk->session, NULL, NULL);

	if (now_us < desk->next_us && phase == desk->snapshot.progress.phase)
		return;
	look(desk);
	if (desk->hub != NULL)
		hub_publish(desk->hub, &desk->snapshot);
	desk->next_us = now_us + (desk->hub != NULL && hub_has_callers(desk->hub) ? BUSY_US : IDLE_US);
}

/* ---- orders ---- */

static enum hub_result result_of(int r, const char **ret_sentence)
{
	switch (r) {
	case 0:
		return HUB_DONE;
	case -EALREADY:
		*ret_sentence = "the move has ended";
		return HUB_ENDED;
	case -EOPNOTSUPP:
		*ret_sentence = "only the source of a move or of a restore has a limit: say it there";
		return HUB_NOT_HERE;
	case -EBUSY:
		*ret_sentence = "the other side is not LOST: as long as it may come back, nothing is given up";
		return HUB_REFUSED;
	case -EPROTO:
		*ret_sentence = "not in this state: the guest may have run at the destination";
		return HUB_REFUSED;
	default:
		*ret_sentence = strerror(-r);
		return HUB_RECORD;
	}
}

static int set_pause(struct desk *desk, bool pause)
{
	if (desk->ops->pause == NULL)
		return -ENOTSUP;
	if (session_has_ended(desk->session))
		return -EALREADY;
	desk->ops->pause(desk->opaque, pause);
	return 0;
}

static int operate(struct desk *desk, const struct hub_order *order)
{
	struct attest_session_command command = {
		.event = order->ask.verb == ASK_ABORT ? ATTEST_EVENT_OP_ABORT : ATTEST_EVENT_OP_ABANDON,
		.uid = order->uid, .time_s = (uint64_t)time(NULL),
	};

	memcpy(command.reason, order->ask.reason, sizeof(command.reason));
	switch (order->ask.verb) {
	case ASK_PAUSE:
	case ASK_RESUME:
		return set_pause(desk, order->ask.verb == ASK_PAUSE);
	case ASK_LIMIT:
		return session_limit(desk->session, order->ask.bytes_per_s, order->uid);
	case ASK_ABORT:
		return session_abort(desk->session, &command);
	case ASK_ABANDON:
		return session_abandon(desk->session, &command);
	default:
		return 0;	/* a look, with a map */
	}
}

static void obey(struct desk *desk, const struct hub_order *order)
{
	const char *sentence = NULL;
	enum hub_result result;
	int r = operate(desk, order);

	if ((order->ask.verb == ASK_PAUSE || order->ask.verb == ASK_RESUME) && r == -ENOTSUP) {
		result = HUB_NOT_HERE;
		sentence = "the stream is paused at the destination: say it there, or set a limit here";
	} else {
		result = result_of(r, &sentence);
	}
	look(desk);
	if (order->ask.map_cells != 0)
		desk->snapshot.n_cells = desk->ops->map(desk->opaque, order->ask.map_cells, desk->snapshot.cells);
	hub_publish(desk->hub, &desk->snapshot);
	hub_done(desk->hub, result, sentence);
}

void desk_tick(struct desk *desk)
{
	struct hub_order order;

	if (desk->hub == NULL && desk->notify == NULL)
		return;
	look_if_due(desk);
	if (desk->hub != NULL && hub_take(desk->hub, &order))
		obey(desk, &order);
	if (desk->notify != NULL)
		notify_alive(desk->notify, stats_now_us());
}

void desk_end(struct desk *desk)
{
	if (desk->hub == NULL)
		return;
	look(desk);
	hub_publish(desk->hub, &desk->snapshot);
}
