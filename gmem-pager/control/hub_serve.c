// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../log.h"
#include "answer.h"
#include "door.h"
#include "hub_int.h"

#define TICK_MS 100
#define DEAF_US 1000000u	/* after accept() failed, as with no descriptors left */
#define DENIED_US 1000000u
#define GOODBYE_MS 500

/* ---- answers ---- */

/* Takes @answer.  A client that cannot be answered is closed. */
static void say(struct hub *hub, struct caller *caller, struct json_object *answer)
{
	const char *line = answer != NULL ? json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN) : NULL;

	if (line == NULL || caller_say(caller, line, hub->now_us) < 0)
		caller_fini(caller);
	json_object_put(answer);
}

static void say_error(struct hub *hub, struct caller *caller, const char *verb, const char *error, const char *sentence)
{
	say(hub, caller, answer_error(verb, error, sentence));
}

static void log_change(const struct hub *hub, const struct caller *caller, const struct ask *ask, const char *outcome)
{
	if (ask_changes(ask->verb))
		log_info("control: %s of session %.8s by uid %u, pid %d: %s", ask_verb_name(ask->verb),
			 hub->names->ticket_hex, caller->cred.uid, caller->cred.pid, outcome);
}

/* ---- what clients ask for ---- */

static bool is_named(const struct hub *hub, const struct ask *ask)
{
	return strncmp(hub->names->ticket_hex, ask->session, strlen(ask->session)) == 0;
}

/* Who may only look could fill the log with what he may not do: one line a second. */
static void refuse(struct hub *hub, struct caller *caller, const char *error, const char *sentence)
{
	if (caller->may_change || hub->now_us - hub->denied_us >= DENIED_US) {
		log_change(hub, caller, &caller->ask, error);
		hub->denied_us = hub->now_us;
	}
	say_error(hub, caller, ask_verb_name(caller->ask.verb), error, sentence);
}

static void begin(struct hub *hub, struct caller *caller)
{
	const struct ask *ask = &caller->ask;

	if (ask_changes(ask->verb) && !caller->may_change) {
		refuse(hub, caller, "not_permitted", "this socket is for looking; another one takes commands");
		return;
	}
	if (ask_changes(ask->verb) && !is_named(hub, ask)) {
		refuse(hub, caller, "wrong_session", "this service has another session; see status");
		return;
	}
	switch (ask->verb) {
	case ASK_WAIT:
		caller->state = CALLER_WAITING;
		caller->due_us = ask->timeout_ms != 0 ? hub->now_us + ask->timeout_ms * 1000ull : 0;
		break;
	case ASK_SUBSCRIBE:
		caller->state = CALLER_SUBSCRIBED;
		caller->due_us = hub->now_us;
		break;
	case ASK_METRICS:
		say(hub, caller, answer_metrics(hub->names, &hub->seen));
		break;
	case ASK_STATUS:
		if (ask->map_cells == 0) {
			say(hub, caller, answer_status(ask, hub->names, &hub->seen, hub->now_us));
			break;
		}
		caller->state = CALLER_QUEUED;
		break;
	default:
		caller->state = CALLER_QUEUED;
	}
}

static void take_line(struct hub *hub, struct caller *caller)
{
	const int len = caller_line(caller);
	char error[ASK_ERROR_LEN];
	int r;

	if (len == -EMSGSIZE) {
		caller->state = CALLER_CLOSING;
		say_error(hub, caller, NULL, "too_long", "a line has at most 4096 bytes");
		return;
	}
	if (len < 0) {
		if (caller->eof)
			caller_fini(caller);
		return;
	}
	r = ask_parse(caller->in, (size_t)len, &caller->ask, error);
	caller_drop_line(caller);
	if (r < 0)
		say_error(hub, caller, NULL, r == -EOPNOTSUPP ? "unknown_verb" : "bad_request", error);
	else
		begin(hub, caller);
}

/* ---- the owner's part ---- */

static struct caller *find(struct hub *hub, uint64_t serial)
{
	size_t i;

	for (i = 0; i < HUB_MAX_CALLERS; i++)
		if (hub->callers[i].state == CALLER_ORDERED && hub->callers[i].serial == serial)
			return &hub->callers[i];
	return NULL;
}

static void finish_order(struct hub *hub, enum hub_result result, const char *sentence)
{
	struct caller *caller = find(hub, hub->order_serial);
	struct ask *ask;

	if (caller == NULL)
		return;		/* has gone meanwhile */
	ask = &caller->ask;
	log_change(hub, caller, ask, result == HUB_DONE ? "done" : sentence);
	caller->state = ask->verb == ASK_SUBSCRIBE ? CALLER_SUBSCRIBED : CALLER_READY;
	if (result != HUB_DONE)
		say_error(hub, caller, ask_verb_name(ask->verb), answer_result_name(result), sentence);
	else if (ask_changes(ask->verb))
		say(hub, caller, answer_done(ask, &hub->seen));
	else
		say(hub, caller, answer_status(ask, hub->names, &hub->seen, hub->now_us));
}

/* What is new since the last time round. */
static bool look_at_owner(struct hub *hub)
{
	enum hub_result result = HUB_DONE;
	char sentence[HUB_ERROR_LEN];
	bool done, stopping;

	pthread_mutex_lock(&hub->lock);
	hub->seen = hub->published;
	done = hub->order_state == HUB_ORDER_DONE;
	if (done) {
		result = hub->result;
		memcpy(sentence, hub->sentence, sizeof(sentence));
		hub->order_state = HUB_ORDER_NONE;
	}
	stopping = hub->stopping;
	pthread_mutex_unlock(&hub->lock);
	if (done)
		finish_order(hub, result, sentence);
	return !stopping;
}

static struct caller *next_queued(struct hub *hub)
{
	struct caller *best = NULL;
	size_t i;

	for (i = 0; i < HUB_MAX_CALLERS; i++) {
		struct caller *caller = &hub->callers[i];

		if (caller->state != CALLER_QUEUED)
			continue;
		if (best == NULL || (ask_changes(caller->ask.verb) && !ask_changes(best->ask.verb)) ||
		    (ask_changes(caller->ask.verb) == ask_changes(best->ask.verb) && caller->due_us < best->due_us))
			best = caller;
	}
	return best;
}

static void give_order(struct hub *hub)
{
	struct caller *caller = next_queued(hub);
	bool given;

	if (caller == NULL)
		return;
	pthread_mutex_lock(&hub->lock);
	given = hub->order_state == HUB_ORDER_NONE;
	if (given) {
		hub->order_state = HUB_ORDER_GIVEN;
		hub->order = (struct hub_order){
			.ask = caller->ask, .uid = caller->cred.uid, .pid = caller->cred.pid,
		};
	}
	pthread_mutex_unlock(&hub->lock);
	if (!given)
		return;
	caller->state = CALLER_ORDERED;
	hub->order_serial = caller->serial;
	hub_raise_fd(hub->order_fd);
}

/* ---- clients ---- */

static void check_wait(struct hub *hub, struct caller *caller)
{
	const enum gmem_phase phase = hub->seen.progress.phase;
	const struct ask *ask = &caller->ask;

	if (phase >= GMEM_PHASE_ABORTED ? ask->until_end :
	    phase == GMEM_PHASE_COMPLETE || (!ask->until_end && phase >= ask->until)) {
		caller->state = CALLER_READY;
		say(hub, caller, answer_done(ask, &hub->seen));
	} else if (phase >= GMEM_PHASE_ABORTED) {
		caller->state = CALLER_READY;
		say_error(hub, caller, "wait", "ended", hub->seen.error[0] != '\0' ? hub->seen.error : "the move has ended");
	} else if (caller->due_us != 0 && hub->now_us >= caller->due_us) {
		caller->state = CALLER_READY;
		say_error(hub, caller, "wait", "timeout", "it has not come to that in the time given");
	}
}

/* Who has not read the report before gets the next one, not both. */
static void report(struct hub *hub, struct caller *caller)
{
	if (caller_is_saying(caller) || hub->now_us < caller->due_us)
		return;
	caller->due_us = hub->now_us + caller->ask.interval_ms * 1000ull;
	if (caller->ask.map_cells != 0)
		caller->state = CALLER_QUEUED;
	else
		say(hub, caller, answer_status(&caller->ask, hub->names, &hub->seen, hub->now_us));
}

/* Is the client one that holds a place without need? */
static bool is_stuck(const struct hub *hub, const struct caller *caller)
{
	const uint64_t still_us = hub->now_us - caller->moved_us;

	if (caller_is_saying(caller) || (caller->state == CALLER_READY && caller->in_len > 0))
		return still_us >= (uint64_t)hub->config.stuck_ms * 1000u;
	return caller->state == CALLER_READY && still_us >= (uint64_t)hub->config.idle_ms * 1000u;
}

static void serve(struct hub *hub, struct caller *caller, short revents)
{
	if (revents & (POLLHUP | POLLERR | POLLNVAL) && !(revents & POLLIN)) {
		caller_fini(caller);
		return;
	}
	if (caller_is_saying(caller) && caller_flush(caller, hub->now_us) < 0) {
		caller_fini(caller);
		return;
	}
	if ((revents & POLLIN) != 0 && caller_read(caller, hub->now_us) < 0) {
		caller_fini(caller);
		return;
	}
	if (caller->state == CALLER_CLOSING && !caller_is_saying(caller)) {
		caller_fini(caller);
		return;
	}
	while (caller->state == CALLER_READY && !caller_is_saying(caller) &&
	       (caller->eof || caller_line(caller) != -EAGAIN))
		take_line(hub, caller);
	if (caller->state == CALLER_WAITING)
		check_wait(hub, caller);
	else if (caller->state == CALLER_SUBSCRIBED)
		report(hub, caller);
	if (caller->state != CALLER_FREE && is_stuck(hub, caller))
		caller_fini(caller);
}

static void turn_away(int fd, const char *error, const char *sentence)
{
	struct json_object *answer = answer_error(NULL, error, sentence);
	char line[512];
	int len;

	len = snprintf(line, sizeof(line), "%s\n", json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	if (send(fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control: a client that was turned away had gone");
	json_object_put(answer);
	close(fd);
}

static void let_in(struct hub *hub, int which)
{
	struct caller *first = which == HUB_CHANGING ? hub->callers : hub->callers + HUB_MAX_CHANGING;
	struct caller *end = first + (which == HUB_CHANGING ? HUB_MAX_CHANGING : HUB_MAX_VIEWING);
	struct ucred cred;
	int fd, r = door_accept(hub->doors[which], &fd, &cred);

	if (r < 0) {
		if (r != -EAGAIN && r != -ECONNABORTED && r != -EINTR)
			hub->deaf_until_us = hub->now_us + DEAF_US;
		return;
	}
	if (which == HUB_CHANGING && !door_is_ours(&cred)) {
		log_warn("control: uid %u, pid %d was turned away: neither root nor our own user", cred.uid, cred.pid);
		turn_away(fd, "not_permitted", "neither root nor the service's own user");
		return;
	}
	while (first < end && first->state != CALLER_FREE)
		first++;
	if (first == end)
		turn_away(fd, "busy", "too many clients; try again");
	else
		caller_init(first, fd, &cred, which == HUB_CHANGING, ++hub->serial, hub->now_us);
}

static short events_of(const struct caller *caller)
{
	short events = 0;

	if (caller->state == CALLER_READY && !caller->eof && !caller_is_saying(caller))
		events = POLLIN;
	if (caller_is_saying(caller))
		events |= POLLOUT;
	return events;
}

static unsigned int fill_fds(struct hub *hub, struct pollfd *fds)
{
	const bool deaf = hub->now_us < hub->deaf_until_us;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < HUB_MAX_CALLERS; i++) {
		const bool there = hub->callers[i].state != CALLER_FREE;

		fds[i] = (struct pollfd){
			.fd = there ? hub->callers[i].fd : -1, .events = there ? events_of(&hub->callers[i]) : 0,
		};
		n += there;
	}
	for (i = 0; i < HUB_N_DOORS; i++)
		fds[HUB_MAX_CALLERS + i] = (struct pollfd){ .fd = deaf ? -1 : hub->doors[i], .events = POLLIN };
	fds[HUB_MAX_CALLERS + HUB_N_DOORS] = (struct pollfd){ .fd = hub->wake_fd, .events = POLLIN };
	return n;
}

static void note_callers(struct hub *hub, unsigned int n)
{
	pthread_mutex_lock(&hub->lock);
	hub->n_callers = n;
	pthread_mutex_unlock(&hub->lock);
}

/* false: it is time to end. */
static bool turn(struct hub *hub, int timeout_ms)
{
	struct pollfd fds[HUB_MAX_CALLERS + HUB_N_DOORS + 1];
	unsigned int n = fill_fds(hub, fds);
	bool go_on;
	size_t i;

	note_callers(hub, n);
	if (timeout_ms < 0 && (n > 0 || hub->now_us < hub->deaf_until_us))
		timeout_ms = TICK_MS;
	if (poll(fds, HUB_MAX_CALLERS + HUB_N_DOORS + 1, timeout_ms) < 0)
		memset(fds, 0, sizeof(fds));
	hub->now_us = stats_now_us();
	hub_lower_fd(hub->wake_fd);
	go_on = look_at_owner(hub);
	for (i = 0; i < HUB_MAX_CALLERS; i++)
		if (hub->callers[i].state != CALLER_FREE)
			serve(hub, &hub->callers[i], fds[i].revents);
	for (i = 0; i < HUB_N_DOORS; i++)
		if (go_on && fds[HUB_MAX_CALLERS + i].revents != 0)
			let_in(hub, (int)i);
	if (go_on)
		give_order(hub);
	return go_on;
}

static bool anything_to_say(const struct hub *hub)
{
	size_t i;

	for (i = 0; i < HUB_MAX_CALLERS; i++)
		if (hub->callers[i].state != CALLER_FREE && caller_is_saying(&hub->callers[i]))
			return true;
	return false;
}

void *hub_serve(void *arg)
{
	struct hub *hub = arg;
	uint64_t until_us;
	size_t i;

	hub->now_us = stats_now_us();
	while (turn(hub, -1))
		continue;
	until_us = hub->now_us + GOODBYE_MS * 1000u;
	while (anything_to_say(hub) && hub->now_us < until_us)
		turn(hub, TICK_MS / 2);
	for (i = 0; i < HUB_MAX_CALLERS; i++)
		caller_fini(&hub->callers[i]);
	return NULL;
}
