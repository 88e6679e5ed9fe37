// SPDX-License-Identifier: MIT
#include "watch.h"

static const struct {
	const char *name, *text;
	bool quick;	/* should be over soon */
} reasons[WATCH_N] = {
	[WATCH_NOTHING] = { "nothing", "nothing", false },
	[WATCH_VMM] = { "vmm", "this host's VMM to go on", false },
	[WATCH_CONNECT] = { "connect", "the other side to connect", false },
	[WATCH_START] = { "start", "the source to send the guest's state", false },
	[WATCH_STARTED] = { "started", "the destination to say that the guest runs", true },
	[WATCH_PEER] = { "peer", "the other side to come back", false },
	[WATCH_DEMAND] = { "demand", "pages that the guest is stopped on", true },
	[WATCH_OPERATOR] = { "operator", "an operator to let the background stream go on", false },
	[WATCH_STREAM] = { "stream", "the next pages of the background stream", true },
	[WATCH_COMPLETE] = { "complete", "the destination to say that it has every page", true },
	[WATCH_TOLD] = { "told", "the other side to hear how it ended", false },
};

static enum watch_for look(const struct watch_view *view)
{
	const bool source = view->role == GMEM_ROLE_SOURCE;

	if (view->phase >= GMEM_PHASE_COMPLETE)
		return view->untold ? WATCH_TOLD : WATCH_NOTHING;
	if (view->phase == GMEM_PHASE_IDLE)
		return WATCH_VMM;
	if (view->link == GMEM_LINK_RECONNECTING || view->link == GMEM_LINK_LOST)
		return WATCH_PEER;
	switch (view->phase) {
	case GMEM_PHASE_CONNECTING:
		return WATCH_CONNECT;
	case GMEM_PHASE_ACCEPTED:
		return source ? WATCH_VMM : WATCH_START;
	case GMEM_PHASE_STARTED:
		return source ? WATCH_STARTED : WATCH_VMM;
	default:
		break;
	}
	if (view->n_waiting > 0)
		return WATCH_DEMAND;
	if (view->paused)
		return WATCH_OPERATOR;
	return source && view->n_left == 0 ? WATCH_COMPLETE : WATCH_STREAM;
}

void watch_see(struct watch *watch, const struct watch_view *view, uint64_t now_us)
{
	const enum watch_for what = look(view);
	const bool moved = (what == WATCH_STREAM || what == WATCH_COMPLETE) && view->n_pages != watch->n_pages;

	if (what != watch->what || moved || watch->since_us == 0) {
		watch->since_us = now_us;
		watch->told = false;
	}
	/* These are known to the microsecond, and one wait may have followed another. */
	if (what == WATCH_DEMAND && view->oldest_us != 0) {
		if (view->oldest_us > watch->since_us)
			watch->told = false;
		watch->since_us = view->oldest_us;
	} else if (what == WATCH_PEER && view->lost_us != 0) {
		watch->since_us = view->lost_us;
	}
	watch->what = what;
	watch->n_pages = view->n_pages;
}

bool watch_is_stall(const struct watch *watch, uint64_t now_us)
{
	return reasons[watch->what].quick && now_us > watch->since_us && now_us - watch->since_us >= WATCH_PATIENCE_US;
}

bool watch_stalls(struct watch *watch, uint64_t now_us)
{
	if (watch->told || !watch_is_stall(watch, now_us))
		return false;
	watch->told = true;
	return true;
}

const char *watch_name(enum watch_for what)
{
	return reasons[what].name;
}

const char *watch_text(enum watch_for what)
{
	return reasons[what].text;
}
