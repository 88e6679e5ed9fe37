/* SPDX-License-Identifier: MIT */
/*
 * session.c on its table: every row does what it has to and nothing else, every
 * other event is refused in every state.  The rows are written down here a second
 * time, by hand: a rule that is taken out of session.table shows here.
 */
#include <errno.h>

#include <attest/session/session.h>

#include "check.h"

#define SOURCE ATTEST_INITIATOR
#define DESTINATION ATTEST_RESPONDER
#define G(name) (1u << ATTEST_GUARD_##name)

#define BOOT "11111111-2222-3333-4444-555555555555"
#define OTHER_BOOT "99999999-2222-3333-4444-555555555555"
#define CONNECTION 2u	/* the present one */

static const uint8_t peer_key[ATTEST_KEY_LEN] = { 1 }, platform[ATTEST_ID_LEN] = { 2 };
static const uint8_t token[SESSION_TOKEN_LEN] = { 3 }, wrong[32] = { 0xee };

struct expected {
	enum attest_role role;
	enum attest_state state;
	enum attest_event event;
	uint32_t guards;
	const char *acts;
	enum attest_state next;
};

#define ROW(role, state, event, guards, acts, next) \
	{ role, ATTEST_STATE_##state, ATTEST_EVENT_##event, guards, acts, ATTEST_STATE_##next }
#define PEER (G(PEER) | G(HIGHER))

static const struct expected rows[] = {
	ROW(SOURCE, NONE, BEGIN, G(IMPORT), "record send:HANDSHAKE", OFFERED),
	ROW(SOURCE, OFFERED, JOINED, PEER, "record USE_CONNECTION", OFFERED),
	ROW(SOURCE, OFFERED, FREEZE, G(LIVE), "FREEZE send:MANIFEST", FROZEN),
	ROW(SOURCE, FROZEN, COMMIT, G(LIVE), "record send:START", IN_DOUBT),
	ROW(SOURCE, OFFERED, ABORT, G(CONNECTION), "record THAW", ABORTED),
	ROW(SOURCE, FROZEN, ABORT, G(CONNECTION), "record THAW", ABORTED),
	ROW(SOURCE, OFFERED, ERROR, G(CONNECTION), "record THAW", ABORTED),
	ROW(SOURCE, FROZEN, ERROR, G(CONNECTION), "record THAW", ABORTED),
	ROW(SOURCE, OFFERED, GIVE_UP, 0, "record THAW", ABORTED),
	ROW(SOURCE, FROZEN, GIVE_UP, 0, "record THAW", ABORTED),
	ROW(SOURCE, OFFERED, STOP, 0, "record send:ABORT THAW", ABORTED),
	ROW(SOURCE, FROZEN, STOP, 0, "record send:ABORT THAW", ABORTED),

	ROW(SOURCE, IN_DOUBT, STARTED, G(CONNECTION), "record", GIVEN),
	ROW(SOURCE, GIVEN, STARTED, G(CONNECTION), "", GIVEN),
	ROW(SOURCE, IN_DOUBT, COMPLETE, G(CONNECTION), "record send:RELEASED FREE_PAGES", RELEASED),
	ROW(SOURCE, GIVEN, COMPLETE, G(CONNECTION), "record send:RELEASED FREE_PAGES", RELEASED),
	ROW(SOURCE, IN_DOUBT, ABORT, G(TOKEN), "record THAW", RESUMED),
	ROW(SOURCE, IN_DOUBT, ERROR, G(CONNECTION), "CLOSE", IN_DOUBT),
	ROW(SOURCE, GIVEN, ERROR, G(CONNECTION), "CLOSE", GIVEN),
	ROW(SOURCE, IN_DOUBT, GIVE_UP, 0, "", IN_DOUBT),
	ROW(SOURCE, GIVEN, GIVE_UP, 0, "", GIVEN),
	ROW(SOURCE, IN_DOUBT, STOP, G(LIVE), "send:ERROR CLOSE", IN_DOUBT),
	ROW(SOURCE, GIVEN, STOP, G(LIVE), "send:ERROR CLOSE", GIVEN),
	ROW(SOURCE, OFFERED, DIAL, G(IDLE), "send:HANDSHAKE", OFFERED),
	ROW(SOURCE, IN_DOUBT, DIAL, G(IDLE), "send:HANDSHAKE", IN_DOUBT),
	ROW(SOURCE, GIVEN, DIAL, G(IDLE), "send:HANDSHAKE", GIVEN),
	ROW(SOURCE, IN_DOUBT, JOINED, PEER, "record USE_CONNECTION send:MANIFEST send:START", IN_DOUBT),
	ROW(SOURCE, GIVEN, JOINED, PEER, "record USE_CONNECTION send:MANIFEST", GIVEN),

	ROW(SOURCE, OFFERED, OPEN, G(SAME_BOOT), "", OFFERED),
	ROW(SOURCE, OFFERED, OPEN, G(OTHER_BOOT), "record", LOST),
	ROW(SOURCE, IN_DOUBT, OPEN, G(SAME_BOOT), "", IN_DOUBT),
	ROW(SOURCE, IN_DOUBT, OPEN, G(OTHER_BOOT), "record", LOST),
	ROW(SOURCE, GIVEN, OPEN, G(SAME_BOOT), "", GIVEN),
	ROW(SOURCE, GIVEN, OPEN, G(OTHER_BOOT), "record", LOST),
	ROW(SOURCE, RESUMED, OPEN, G(SAME_BOOT), "THAW", RESUMED),
	ROW(SOURCE, RESUMED, OPEN, G(OTHER_BOOT), "", RESUMED),
	ROW(SOURCE, ABORTED, OPEN, G(SAME_BOOT), "THAW", ABORTED),
	ROW(SOURCE, ABORTED, OPEN, G(OTHER_BOOT), "", ABORTED),
	ROW(SOURCE, RELEASED, OPEN, G(SAME_BOOT), "FREE_PAGES", RELEASED),
	ROW(SOURCE, RELEASED, OPEN, G(OTHER_BOOT), "", RELEASED),
	ROW(SOURCE, LOST, OPEN, 0, "", LOST),
	ROW(SOURCE, OFFERED, OP_ABORT, G(REASON), "record", ABORTED),
	ROW(SOURCE, IN_DOUBT, OP_ABANDON, G(REASON), "record", LOST),
	ROW(SOURCE, GIVEN, OP_ABANDON, G(REASON), "record", LOST),
	ROW(SOURCE, IN_DOUBT, OP_RESUME, G(REASON) | G(FENCED), "record", RESUMED),

	ROW(DESTINATION, NONE, BEGIN, 0, "record send:HANDSHAKE", OFFERED),
	ROW(DESTINATION, OFFERED, JOINED, PEER, "record USE_CONNECTION", OFFERED),
	ROW(DESTINATION, STARTED, JOINED, PEER, "record USE_CONNECTION", OFFERED),
	ROW(DESTINATION, OFFERED, MANIFEST, G(CONNECTION), "KEEP_MANIFEST", OFFERED),
	ROW(DESTINATION, OFFERED, START, G(CONNECTION) | G(MANIFEST), "", STARTED),
	ROW(DESTINATION, STARTED, RUN, G(LIVE), "record send:STARTED RUN_GUEST", RUNNING),
	ROW(DESTINATION, OFFERED, ABORT, G(CONNECTION), "record", ABORTED),
	ROW(DESTINATION, STARTED, ABORT, G(CONNECTION), "record", ABORTED),
	ROW(DESTINATION, OFFERED, ERROR, G(CONNECTION), "record", ABORTED),
	ROW(DESTINATION, STARTED, ERROR, G(CONNECTION), "record", ABORTED),
	ROW(DESTINATION, OFFERED, GIVE_UP, 0, "record", ABORTED),
	ROW(DESTINATION, STARTED, GIVE_UP, 0, "record", ABORTED),
	ROW(DESTINATION, OFFERED, STOP, 0, "record send:ABORT", ABORTED),
	ROW(DESTINATION, STARTED, STOP, 0, "record send:ABORT", ABORTED),

	ROW(DESTINATION, RUNNING, PRESENT, G(ALL_PRESENT), "record send:COMPLETE", COMPLETE),
	ROW(DESTINATION, RUNNING, MANIFEST, G(CONNECTION), "KEEP_MANIFEST", RUNNING),
	ROW(DESTINATION, COMPLETE, RELEASED, G(CONNECTION), "", COMPLETE),
	ROW(DESTINATION, RUNNING, ABORT, G(CONNECTION), "record", LOST),
	ROW(DESTINATION, RUNNING, ERROR, G(CONNECTION), "record", LOST),
	ROW(DESTINATION, RUNNING, GIVE_UP, 0, "record", LOST),
	ROW(DESTINATION, RUNNING, STOP, 0, "record send:ERROR", LOST),
	ROW(DESTINATION, RUNNING, JOINED, PEER, "record USE_CONNECTION send:STARTED", RUNNING),
	ROW(DESTINATION, COMPLETE, JOINED, PEER, "record USE_CONNECTION send:COMPLETE", COMPLETE),
	ROW(DESTINATION, ABORTED, JOINED, PEER, "record USE_CONNECTION send:ABORT", ABORTED),
	ROW(DESTINATION, RUNNING, START, G(CONNECTION), "", RUNNING),
	ROW(DESTINATION, COMPLETE, START, G(CONNECTION), "", COMPLETE),
	ROW(DESTINATION, ABORTED, START, G(CONNECTION), "", ABORTED),

	ROW(DESTINATION, OFFERED, OPEN, G(SAME_BOOT), "", OFFERED),
	ROW(DESTINATION, OFFERED, OPEN, G(OTHER_BOOT), "record", ABORTED),
	ROW(DESTINATION, RUNNING, OPEN, G(SAME_BOOT), "LET_RUN_ON", RUNNING),
	ROW(DESTINATION, RUNNING, OPEN, G(OTHER_BOOT), "record", LOST),
	ROW(DESTINATION, COMPLETE, OPEN, G(SAME_BOOT), "LET_RUN_ON", COMPLETE),
	ROW(DESTINATION, COMPLETE, OPEN, G(OTHER_BOOT), "", COMPLETE),
	ROW(DESTINATION, ABORTED, OPEN, 0, "", ABORTED),
	ROW(DESTINATION, LOST, OPEN, 0, "", LOST),
	ROW(DESTINATION, OFFERED, OP_ABORT, G(REASON), "record", ABORTED),
	ROW(DESTINATION, ABORTED, OP_TOKEN, 0, "send:TOKEN", ABORTED),
	ROW(DESTINATION, RUNNING, OP_ABANDON, G(REASON), "record", LOST),
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* A session in a state and an input for which every guard holds but those in @broken. */
struct scene {
	struct attest_session session;
	struct attest_session_input input;
	struct attest_session_command command;
};

static void set_scene(struct scene *scene, const struct expected *row, uint32_t broken)
{
	struct attest_session_record record = { .role = row->role, .boot_id = BOOT };

	memcpy(record.peer_key, peer_key, sizeof(peer_key));
	memset(scene, 0, sizeof(*scene));
	attest_session_init(&scene->session, &record);
	attest_session_set_token(&scene->session, token);
	scene->session.state = row->state;
	scene->session.record.state = row->state == ATTEST_STATE_FROZEN || row->state == ATTEST_STATE_STARTED ?
				      ATTEST_STATE_OFFERED : row->state;
	scene->session.record.connection = CONNECTION;
	scene->session.record.has_platform = true;
	memcpy(scene->session.record.platform, platform, sizeof(platform));
	/* a live connection, unless the row is for when there is none */
	scene->session.live = ((row->guards & G(IDLE)) == 0) != ((broken & (G(LIVE) | G(IDLE))) != 0) ? CONNECTION : 0;
	scene->session.manifest_on = (broken & G(MANIFEST)) != 0 ? CONNECTION - 1 : CONNECTION;
	snprintf(scene->command.reason, sizeof(scene->command.reason), "%s",
		 (broken & G(REASON)) != 0 ? "" : "the rack burns");
	snprintf(scene->command.fenced_host, sizeof(scene->command.fenced_host), "%s",
		 (broken & G(FENCED)) != 0 ? "" : "host-b");
	scene->input = (struct attest_session_input){
		.event = row->event,
		.boot_id = (broken & G(SAME_BOOT)) != 0 || ((row->guards & G(OTHER_BOOT)) != 0 && (broken & G(OTHER_BOOT)) == 0) ?
			   OTHER_BOOT : BOOT,
		.connection = (broken & G(CONNECTION)) != 0 ? CONNECTION - 1 : CONNECTION,
		.peer_key = (broken & G(PEER)) != 0 ? wrong : peer_key,
		.platform = platform,
		.token = (broken & G(TOKEN)) != 0 ? wrong : token,
		.import_complete = (broken & G(IMPORT)) == 0,
		.manifest_matches = true,
		.all_present = (broken & G(ALL_PRESENT)) == 0,
		.command = &scene->command,
	};
	if (row->event == ATTEST_EVENT_JOINED)
		scene->input.connection = (broken & G(HIGHER)) != 0 ? CONNECTION : CONNECTION + 1;
}

static const char *acts_text(const struct session_table_row *row)
{
	static char text[256];
	uint32_t i;

	text[0] = '\0';
	for (i = 0; i < row->n_acts; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, session_table_act_name(row->acts[i]));
	}
	return text;
}

#define ROW_NAME "%s %s %s", row->role == SOURCE ? "source" : "destination", session_table_state_name(row->state), \
	session_table_event_name(row->event)

static void every_row_does_what_it_has_to(void)
{
	struct attest_session_plan plan;
	struct scene scene;
	size_t i;
	CHECK_LOOP_BEGIN();

	for (i = 0; i < N_ROWS; i++) {
		const struct expected *row = &rows[i];
		int r;

		set_scene(&scene, row, 0);
		r = attest_session_plan(&scene.session, &scene.input, &plan);
		CHECK_LOOP(r == 0, ROW_NAME);
		if (r < 0)
			continue;
		CHECK_LOOP(strcmp(acts_text(plan.row), row->acts) == 0, ROW_NAME);
		CHECK_LOOP(plan.row->next == row->next, ROW_NAME);
		CHECK_LOOP(plan.row->guards == row->guards, ROW_NAME);	/* whatever the order of the rows */
		CHECK_LOOP(plan.row->why[0] != '\0', ROW_NAME);
		/* planning changes nothing, taking goes on to the next state */
		CHECK_LOOP(scene.session.state == row->state, ROW_NAME);
		attest_session_take(&scene.session, &plan);
		CHECK_LOOP(scene.session.state == row->next, ROW_NAME);
		if (strncmp(row->acts, "record", 6) == 0)
			CHECK_LOOP(scene.session.record.state == row->next, ROW_NAME);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(N_ROWS, SESSION_TABLE_N_ROWS);
}

static void every_guard_is_looked_at(void)
{
	struct attest_session_plan plan;
	struct scene scene;
	size_t i;
	CHECK_LOOP_BEGIN();

	for (i = 0; i < N_ROWS; i++) {
		const struct expected *row = &rows[i];
		int guard;

		for (guard = 0; guard < ATTEST_N_GUARDS; guard++) {
			if ((row->guards & 1u << guard) == 0)
				continue;
			set_scene(&scene, row, 1u << guard);
			if (row->event == ATTEST_EVENT_OPEN) {	/* the row of the other boot is taken */
				CHECK_LOOP(attest_session_plan(&scene.session, &scene.input, &plan) == 0 &&
					   (plan.row->guards & 1u << guard) == 0, ROW_NAME);
				continue;
			}
			CHECK_LOOP(attest_session_plan(&scene.session, &scene.input, &plan) == -EPERM, ROW_NAME);
			CHECK_LOOP((int)plan.failed == guard, ROW_NAME);
		}
	}
	CHECK_LOOP_END();
}

/* A rule that is too strict is a dead end. */
static void nothing_else_is_asked_for(void)
{
	struct attest_session_plan plan;
	struct scene scene;
	size_t i;
	CHECK_LOOP_BEGIN();

	for (i = 0; i < N_ROWS; i++) {
		const struct expected *row = &rows[i];
		uint32_t broken = ~row->guards;

		if (row->event == ATTEST_EVENT_OPEN)
			broken &= ~(G(SAME_BOOT) | G(OTHER_BOOT));
		if (row->event == ATTEST_EVENT_JOINED)
			broken &= ~G(CONNECTION);
		/* no connection: not where a message has to come on it, nor twice the same */
		if ((row->guards & (G(CONNECTION) | G(MANIFEST) | G(LIVE) | G(IDLE))) != 0)
			broken &= ~(G(LIVE) | G(IDLE));
		set_scene(&scene, row, broken);
		CHECK_LOOP(attest_session_plan(&scene.session, &scene.input, &plan) == 0, ROW_NAME);
	}
	CHECK_LOOP_END();
}

static bool is_expected(enum attest_role role, enum attest_state state, enum attest_event event)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++)
		if (rows[i].role == role && rows[i].state == state && rows[i].event == event)
			return true;
	return false;
}

static void every_other_event_is_refused_in_every_state(void)
{
	struct attest_session_plan plan;
	struct scene scene, before;
	int role, state, event, n_refused = 0;
	CHECK_LOOP_BEGIN();

	for (role = SOURCE; role <= (int)DESTINATION; role++)
		for (state = 0; state < ATTEST_N_STATES; state++)
			for (event = 0; event < ATTEST_N_EVENTS; event++) {
				const struct expected any = { .role = (enum attest_role)role,
					.state = (enum attest_state)state, .event = (enum attest_event)event };
				const struct expected *row = &any;

				if (is_expected(any.role, any.state, any.event))
					continue;
				set_scene(&scene, &any, 0);
				before = scene;
				CHECK_LOOP(attest_session_plan(&scene.session, &scene.input, &plan) == -EPROTO, ROW_NAME);
				CHECK_LOOP(memcmp(&before, &scene, sizeof(scene)) == 0, ROW_NAME);
				n_refused++;
			}
	CHECK_LOOP_END();
	CU_ASSERT_TRUE(n_refused > 300);
}

static void run(struct attest_session *session, const struct attest_session_input *input)
{
	struct attest_session_plan plan;

	CU_ASSERT_EQUAL_FATAL(attest_session_plan(session, input, &plan), 0);
	attest_session_take(session, &plan);
}

static void platform_is_recorded_once_and_compared_later(void)
{
	const struct expected at = { .role = SOURCE, .state = ATTEST_STATE_OFFERED, .event = ATTEST_EVENT_JOINED };
	struct attest_session_plan plan;
	struct scene scene;

	set_scene(&scene, &at, 0);
	scene.session.record.has_platform = false;
	run(&scene.session, &scene.input);
	CU_ASSERT_TRUE(scene.session.record.has_platform);
	CU_ASSERT_EQUAL(memcmp(scene.session.record.platform, platform, sizeof(platform)), 0);
	scene.input.connection++;
	scene.input.platform = wrong;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	CU_ASSERT_EQUAL(plan.failed, ATTEST_GUARD_PEER);
	scene.input.platform = NULL;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	/* a first peer without one stays without */
	set_scene(&scene, &at, 0);
	scene.session.record.has_platform = false;
	scene.input.platform = NULL;
	run(&scene.session, &scene.input);
	CU_ASSERT_FALSE(scene.session.record.has_platform);
}

static void start_counts_only_on_its_connection(void)
{
	const struct expected at = { .role = DESTINATION, .state = ATTEST_STATE_OFFERED, .event = ATTEST_EVENT_MANIFEST };
	struct attest_session_plan plan;
	struct scene scene;

	set_scene(&scene, &at, 0);
	run(&scene.session, &scene.input);
	scene.input.event = ATTEST_EVENT_START;
	scene.input.manifest_matches = false;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	CU_ASSERT_EQUAL(plan.failed, ATTEST_GUARD_MANIFEST);
	scene.input.manifest_matches = true;
	run(&scene.session, &scene.input);
	CU_ASSERT_EQUAL(scene.session.state, ATTEST_STATE_STARTED);
	/* lost: no run; a fresh handshake: START and its manifest are forgotten */
	attest_session_disconnected(&scene.session);
	scene.input.event = ATTEST_EVENT_RUN;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	scene.input.event = ATTEST_EVENT_JOINED;
	scene.input.connection = CONNECTION + 1;
	run(&scene.session, &scene.input);
	CU_ASSERT_EQUAL(scene.session.state, ATTEST_STATE_OFFERED);
	CU_ASSERT_EQUAL(scene.session.live, CONNECTION + 1);
	scene.input.event = ATTEST_EVENT_RUN;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPROTO);
	scene.input.event = ATTEST_EVENT_START;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	CU_ASSERT_EQUAL(plan.failed, ATTEST_GUARD_MANIFEST);
	scene.input.event = ATTEST_EVENT_MANIFEST;
	run(&scene.session, &scene.input);
	scene.input.event = ATTEST_EVENT_START;
	scene.input.connection = CONNECTION;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	CU_ASSERT_EQUAL(plan.failed, ATTEST_GUARD_CONNECTION);
}

static void numbers_of_connections_are_not_used_again(void)
{
	const struct expected at = { .role = SOURCE, .state = ATTEST_STATE_IN_DOUBT, .event = ATTEST_EVENT_DIAL,
				     .guards = G(IDLE) };
	struct attest_session_plan plan;
	struct scene scene;

	set_scene(&scene, &at, 0);
	CU_ASSERT_EQUAL_FATAL(attest_session_plan(&scene.session, &scene.input, &plan), 0);
	CU_ASSERT_EQUAL(plan.connection, CONNECTION + 1);
	attest_session_take(&scene.session, &plan);
	/* it failed: the other side may have recorded that number */
	CU_ASSERT_EQUAL_FATAL(attest_session_plan(&scene.session, &scene.input, &plan), 0);
	CU_ASSERT_EQUAL(plan.connection, CONNECTION + 2);
}

static void the_token_stands_in_the_record(void)
{
	const struct expected taken = { .role = SOURCE, .state = ATTEST_STATE_IN_DOUBT, .event = ATTEST_EVENT_ABORT };
	const struct expected given = { .role = DESTINATION, .state = ATTEST_STATE_STARTED, .event = ATTEST_EVENT_STOP };
	const struct expected forced = { .role = SOURCE, .state = ATTEST_STATE_IN_DOUBT, .event = ATTEST_EVENT_OP_RESUME };
	struct attest_session_plan plan;
	struct scene scene;

	set_scene(&scene, &taken, 0);
	run(&scene.session, &scene.input);
	CU_ASSERT_TRUE(scene.session.record.has_token);
	CU_ASSERT_EQUAL(memcmp(scene.session.record.token, token, sizeof(token)), 0);
	set_scene(&scene, &given, 0);
	run(&scene.session, &scene.input);
	CU_ASSERT_TRUE(scene.session.record.has_token);
	set_scene(&scene, &forced, 0);
	run(&scene.session, &scene.input);
	CU_ASSERT_FALSE(scene.session.record.has_token);
	CU_ASSERT_EQUAL(scene.session.record.command.event, ATTEST_EVENT_OP_RESUME);
	CU_ASSERT_STRING_EQUAL(scene.session.record.command.fenced_host, "host-b");
	CU_ASSERT_STRING_EQUAL(scene.session.record.command.reason, "the rack burns");
	/* none known, or none came: nothing is believed */
	set_scene(&scene, &taken, 0);
	scene.input.token = NULL;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	set_scene(&scene, &taken, 0);
	scene.session.has_token = false;
	memset(scene.session.token, 0, sizeof(scene.session.token));
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EPERM);
	CU_ASSERT_EQUAL(plan.failed, ATTEST_GUARD_TOKEN);
}

static void boot_id_never_changes(void)
{
	const struct expected at = { .role = DESTINATION, .state = ATTEST_STATE_OFFERED, .event = ATTEST_EVENT_OPEN,
				     .guards = G(OTHER_BOOT) };
	struct scene scene;

	set_scene(&scene, &at, 0);
	run(&scene.session, &scene.input);
	CU_ASSERT_EQUAL(scene.session.record.state, ATTEST_STATE_ABORTED);
	CU_ASSERT_STRING_EQUAL(scene.session.record.boot_id, BOOT);
	scene.input.event = ATTEST_EVENT_JOINED;
	scene.input.connection = CONNECTION + 1;
	run(&scene.session, &scene.input);
	CU_ASSERT_STRING_EQUAL(scene.session.record.boot_id, BOOT);
}

static void malformed_input_is_refused(void)
{
	const struct expected at = { .role = SOURCE, .state = ATTEST_STATE_IN_DOUBT, .event = ATTEST_EVENT_OP_RESUME };
	struct attest_session_plan plan;
	struct scene scene;

	set_scene(&scene, &at, 0);
	strcpy(scene.command.reason, "two\nlines");
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EINVAL);
	set_scene(&scene, &at, 0);
	strcpy(scene.command.fenced_host, "host b");
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EINVAL);
	set_scene(&scene, &at, 0);
	scene.input.boot_id = "short";
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EINVAL);
	set_scene(&scene, &at, 0);
	scene.input.event = ATTEST_N_EVENTS;
	CU_ASSERT_EQUAL(attest_session_plan(&scene.session, &scene.input, &plan), -EINVAL);
}

static void both_sides_make_the_same_token_and_nobody_else_does(void)
{
	struct attest_keypair *source, *destination, *stranger;
	uint8_t a[SESSION_TOKEN_LEN], b[SESSION_TOKEN_LEN], session_id[ATTEST_HASH_LEN] = { 7 };
	const uint8_t zeros[ATTEST_KEY_LEN] = { 0 };

	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&source), 0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&destination), 0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&stranger), 0);
	CU_ASSERT_EQUAL(attest_session_token(source, SOURCE, attest_keypair_public(destination), session_id, a), 0);
	CU_ASSERT_EQUAL(attest_session_token(destination, DESTINATION, attest_keypair_public(source), session_id, b), 0);
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	/* another session, the roles changed over, another machine */
	session_id[31] ^= 1;
	CU_ASSERT_EQUAL(attest_session_token(destination, DESTINATION, attest_keypair_public(source), session_id, b), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	session_id[31] ^= 1;
	CU_ASSERT_EQUAL(attest_session_token(destination, SOURCE, attest_keypair_public(source), session_id, b), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	CU_ASSERT_EQUAL(attest_session_token(stranger, DESTINATION, attest_keypair_public(source), session_id, b), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	CU_ASSERT_EQUAL(attest_session_token(source, SOURCE, zeros, session_id, b), -EINVAL);
	attest_keypair_free(source);
	attest_keypair_free(destination);
	attest_keypair_free(stranger);
}

static const struct check checks[] = {
	{ "every row does what it has to", every_row_does_what_it_has_to },
	{ "every guard is looked at", every_guard_is_looked_at },
	{ "nothing else is asked for", nothing_else_is_asked_for },
	{ "every other event is refused in every state", every_other_event_is_refused_in_every_state },
	{ "the platform is recorded once and compared later", platform_is_recorded_once_and_compared_later },
	{ "START counts only on its connection", start_counts_only_on_its_connection },
	{ "numbers of connections are not used again", numbers_of_connections_are_not_used_again },
	{ "the token stands in the record", the_token_stands_in_the_record },
	{ "the boot id never changes", boot_id_never_changes },
	{ "malformed input is refused", malformed_input_is_refused },
	{ "both sides make the same token and nobody else does", both_sides_make_the_same_token_and_nobody_else_does },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("session", checks);
}
