// SPDX-License-Identifier: MIT
/* What is told of a snapshot: by the schema, in words, in Prometheus' format; and nothing of the guest's inside. */
#include "check.h"
#include "control/answer.h"
#include "control/metrics.h"
#include "json_schema.h"

#define TICKET "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

static const struct report_names plain = { .program = "gmem-pager", .ticket_hex = TICKET, .evidence = "pinned-key" };
static const struct report_names soft = {
	.program = "gmem-source", .ticket_hex = TICKET, .evidence = "software", .gives_software = true, .takes_software = true,
};

static struct snapshot pager(void)
{
	struct snapshot snapshot = {
		.taken_us = 5000000, .role = GMEM_ROLE_PAGER, .state = ATTEST_STATE_RUNNING,
		.progress = {
			.phase = GMEM_PHASE_RUNNING, .pages_total = 1000, .pages_present = 400, .pages_demand = 40,
			.pages_background = 360, .pages_zero = 9, .pages_shared = 8, .pages_duplicate = 7, .bytes_wire = 123456,
			.fault_latency_us = { 1, 2, 3, 4 }, .cipher = "aes256gcm", .link = GMEM_LINK_UP, .n_resumed = 2,
		},
		.side = { .backend = "kvm", .n_waiting = 3, .can_pause = true, .has_missing = true, .n_missing = 600 },
		.n_faults = 11, .n_requests = 10, .n_converted = 1, .n_latencies = 6, .latency_sum_us = 2500000,
		.bytes_per_s = 1 << 20, .pages_per_s = 200, .has_left = true, .left_ms = 3000, .good_time = 1795435200,
		.good_ms = 20, .resume_ms = 300000, .waits_for = WATCH_DEMAND, .waits_ms = 12000, .stalled = true,
	};
	unsigned int i;

	for (i = 0; i < SNAPSHOT_N_LATENCY; i++)
		snapshot.latency[i] = i / 5 < 5 ? i / 5 : 5;
	return snapshot;
}

static struct snapshot source(void)
{
	struct snapshot snapshot = pager();

	snapshot.role = GMEM_ROLE_SOURCE;
	snapshot.state = ATTEST_STATE_GIVEN;
	snapshot.side = (struct snapshot_side){ .backend = "uffd" };
	snapshot.has_limit = true;
	snapshot.limit = 65536;
	snapshot.limited_by = 7;
	return snapshot;
}

static void expect_fits(struct json_object *root, const char *def, struct json_object *value)
{
	char where[128] = "";
	const bool fits = json_schema_fits(root, json_schema_def(root, def), value, where);

	if (!fits)
		fprintf(stderr, "\n    %s: %s\n    %s", def, where, json_object_to_json_string(value));
	CU_ASSERT_TRUE(fits);
	json_object_put(value);
}

static void expect_status_fits(struct json_object *root, const struct report_names *names, const struct snapshot *snapshot)
{
	const struct ask ask = { .verb = ASK_STATUS, .map_cells = snapshot->n_cells };

	expect_fits(root, "answer", answer_status(&ask, names, snapshot, 5100000));
}

static void test_the_schema(void)
{
	struct json_object *root = json_object_from_file(SCHEMA);
	struct snapshot snapshot = { .role = GMEM_ROLE_PAGER };
	struct ask ask = { .verb = ASK_WAIT };
	unsigned int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	expect_status_fits(root, &plain, &snapshot);		/* before anything */
	snapshot = source();
	expect_status_fits(root, &soft, &snapshot);
	snapshot = pager();
	snapshot.n_cells = ASK_MAP_MAX;
	memset(snapshot.cells, 100, sizeof(snapshot.cells));
	strcpy(snapshot.error, "a sentence");
	strcpy(snapshot.link_error, "the network");
	for (i = GMEM_PHASE_IDLE; i <= GMEM_PHASE_FAILED; i++) {
		snapshot.progress.phase = (enum gmem_phase)i;
		snapshot.progress.link = (enum gmem_link)(i % 4);
		snapshot.waits_for = (enum watch_for)(i % WATCH_N);
		expect_status_fits(root, &plain, &snapshot);
	}
	for (i = 0; i < WATCH_N; i++) {
		snapshot.waits_for = (enum watch_for)i;
		expect_status_fits(root, &plain, &snapshot);
	}
	for (i = ATTEST_STATE_NONE; i < ATTEST_N_STATES; i++) {
		snapshot.state = (enum attest_state)i;
		snapshot.role = session_table_state_text(ATTEST_RESPONDER, snapshot.state) != NULL ? GMEM_ROLE_PAGER :
				GMEM_ROLE_SOURCE;	/* one of them has it */
		expect_status_fits(root, &plain, &snapshot);
	}
	for (i = ASK_WAIT; i < ASK_N_VERBS; i++) {
		ask.verb = (enum ask_verb)i;
		if (i != ASK_METRICS && i != ASK_SUBSCRIBE)
			expect_fits(root, "answer", answer_done(&ask, &snapshot));
	}
	expect_fits(root, "answer", answer_metrics(&plain, &snapshot));
	expect_fits(root, "answer", answer_error(NULL, "bad_request", "x"));
	for (i = HUB_NOT_HERE; i <= HUB_RECORD; i++)
		expect_fits(root, "answer", answer_error("pause", answer_result_name((enum hub_result)i), "x"));
	json_object_put(root);
}

/* A source that restores says which snapshot, and whether it may be an old one. */
static void test_a_restore(void)
{
	static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct json_object *root = json_object_from_file(SCHEMA), *value, *restored;
	struct report_names names = plain;
	struct snapshot snapshot = pager();
	char where[128] = "";

	value = report_status(&names, &snapshot, 0);
	CU_ASSERT_PTR_NULL(json_object_object_get(value, "snapshot"));
	json_object_put(value);
	names.snapshot_root = hex;
	names.may_be_old = true;
	value = report_status(&names, &snapshot, 0);
	CU_ASSERT_TRUE(json_schema_fits(root, json_schema_def(root, "status"), value, where));
	restored = json_object_object_get(value, "snapshot");
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(restored, "root")), hex);
	CU_ASSERT_TRUE(json_object_get_boolean(json_object_object_get(restored, "may_be_old")));
	CU_ASSERT_PTR_NULL(json_object_object_get(restored, "working_set"));
	json_object_put(value);
	json_object_put(root);
}

static const struct workset_view replayed = {
	.there = true, .state = WORKSET_REPLAYED, .n_set = 100, .n_sent = 90, .n_late = 4, .n_outside = 7,
};

static void test_a_working_set(void)
{
	struct json_object *root = json_object_from_file(SCHEMA), *value, *set;
	struct report_names names = plain;
	struct snapshot snapshot = source();
	char where[128] = "";
	enum workset_state state;

	names.snapshot_root = TICKET;
	for (state = WORKSET_RECORDING; state <= WORKSET_REPLAYED; state++) {
		snapshot.side.workset = replayed;
		snapshot.side.workset.state = state;
		value = report_status(&names, &snapshot, 0);
		CU_ASSERT_TRUE(json_schema_fits(root, json_schema_def(root, "status"), value, where));
		set = json_object_object_get(json_object_object_get(value, "snapshot"), "working_set");
		CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(set, "state")),
				       workset_state_name(state));
		CU_ASSERT_EQUAL(json_object_get_int(json_object_object_get(set, "pages")), 100);
		CU_ASSERT_EQUAL(json_object_get_int(json_object_object_get(set, "sent")), state == WORKSET_REPLAYED ? 90 : 0);
		CU_ASSERT_EQUAL(json_object_object_get(set, "late") == NULL, state != WORKSET_REPLAYED);
		json_object_put(value);
	}
	json_object_put(root);
}

/* A field that is there and not in the schema, or the other way round, is seen. */
static void test_the_schema_is_strict(void)
{
	struct json_object *root = json_object_from_file(SCHEMA), *value;
	struct snapshot snapshot = pager();
	char where[128];

	value = report_status(&plain, &snapshot, 0);
	CU_ASSERT_TRUE(json_schema_fits(root, json_schema_def(root, "status"), value, where));
	json_object_object_add(json_object_object_get(value, "pages"), "gfn", json_object_new_int(1));
	CU_ASSERT_FALSE(json_schema_fits(root, json_schema_def(root, "status"), value, where));
	json_object_object_del(json_object_object_get(value, "pages"), "gfn");
	json_object_object_del(json_object_object_get(value, "pages"), "zero");
	CU_ASSERT_FALSE(json_schema_fits(root, json_schema_def(root, "status"), value, where));
	json_object_put(value);
	json_object_put(root);
}

static void test_warnings(void)
{
	struct report_names names = plain;

	CU_ASSERT_PTR_NULL(report_warning(&names));
	names.gives_software = true;
	CHECK_CONTAINS(report_warning(&names), "SOFTWARE KEY on this side");
	names.takes_software = true;
	CHECK_CONTAINS(report_warning(&names), "SOFTWARE KEYS on both sides");
	names.gives_software = false;
	CHECK_CONTAINS(report_warning(&names), "are believed of the other side");
}

static void test_advice(void)
{
	struct snapshot snapshot = pager();

	CU_ASSERT_PTR_NULL(report_advice(&snapshot));
	snapshot.progress.link = GMEM_LINK_RECONNECTING;
	CHECK_CONTAINS(report_advice(&snapshot), "tried again");
	snapshot.progress.link = GMEM_LINK_LOST;
	CHECK_CONTAINS(report_advice(&snapshot), "start gmem-source again");
	CHECK_CONTAINS(report_advice(&snapshot), "gmemctl abandon");
	snapshot.role = GMEM_ROLE_SOURCE;
	CHECK_CONTAINS(report_advice(&snapshot), "start gmem-pager again");
	snapshot.progress.phase = GMEM_PHASE_FAILED;
	CU_ASSERT_PTR_NULL(report_advice(&snapshot));
	snapshot.state = ATTEST_STATE_IN_DOUBT;
	CHECK_CONTAINS(report_advice(&snapshot), "gmemctl session show");
	snapshot = pager();
	snapshot.waits_for = WATCH_OPERATOR;
	CHECK_CONTAINS(report_advice(&snapshot), "gmemctl resume");
	snapshot.progress.phase = GMEM_PHASE_COMPLETE;
	CU_ASSERT_PTR_NULL(report_advice(&snapshot));
}

static void test_the_last_good_moment(void)
{
	struct snapshot snapshot = pager();
	struct json_object *status = report_status(&plain, &snapshot, 5250000), *peer;

	peer = json_object_object_get(status, "peer");
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(peer, "last_heard")), "2026-11-23T12:00:00Z");
	CU_ASSERT_EQUAL(json_object_get_int(json_object_object_get(status, "age_ms")), 250);
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(status, "session")), "abcdef01");
	json_object_put(status);
}

/* Every line is a comment or NAME{LABELS} VALUE; each name has a type, and no name comes twice in different places. */
static void check_format(char *text)
{
	char *line, *rest = text, last[64] = "";

	for (line = strtok_r(rest, "\n", &rest); line != NULL; line = strtok_r(rest, "\n", &rest)) {
		char name[64] = "", end;
		double value;

		if (sscanf(line, "# TYPE %63s", name) == 1) {
			strcpy(last, name);
			continue;
		}
		if (strncmp(line, "# HELP gmem_", 12) == 0)
			continue;
		CU_ASSERT_EQUAL(sscanf(line, "%63[a-z0-9_]{%*[^}]} %lf%c", name, &value, &end), 2);
		if (strncmp(name, last, strlen(last)) != 0)
			fprintf(stderr, "\n    no type: %s", line);
		CU_ASSERT_EQUAL(strncmp(name, last, strlen(last)), 0);
	}
}

static void test_metrics(void)
{
	static char text[METRICS_MAX];
	struct snapshot snapshot = pager();
	const size_t len = metrics_print(&plain, &snapshot, text);
	unsigned int i;

	CU_ASSERT_EQUAL(strlen(text), len);
	CU_ASSERT_TRUE(len < METRICS_MAX * 3 / 4);
	CU_ASSERT_EQUAL(text[len - 1], '\n');
	CHECK_CONTAINS(text, "\ngmem_phase{session=\"abcdef01\",role=\"destination\",phase=\"running\"} 1\n");
	CHECK_CONTAINS(text, "\ngmem_phase{session=\"abcdef01\",role=\"destination\",phase=\"complete\"} 0\n");
	CHECK_CONTAINS(text, "\ngmem_backend_info{session=\"abcdef01\",role=\"destination\",backend=\"kvm\"} 1\n");
	CHECK_CONTAINS(text, "\ngmem_pages_missing{session=\"abcdef01\",role=\"destination\"} 600\n");
	CHECK_CONTAINS(text, "lane=\"demand\"} 40\n");
	CHECK_CONTAINS(text, "le=\"0.000001\"} 0\n");
	CHECK_CONTAINS(text, "le=\"+Inf\"} 6\n");
	CHECK_CONTAINS(text, "gmem_fault_latency_seconds_sum{session=\"abcdef01\",role=\"destination\"} 2.500000\n");
	CHECK_CONTAINS(text, "gmem_wait_seconds{session=\"abcdef01\",role=\"destination\",for=\"demand\"} 12.000\n");
	CHECK_CONTAINS(text, "gmem_wait_seconds{session=\"abcdef01\",role=\"destination\",for=\"peer\"} 0.000\n");
	CHECK_CONTAINS(text, "gmem_stream_paused{");
	CU_ASSERT_PTR_NULL(strstr(text, "stream_limit"));
	check_format(text);
	snapshot = source();
	metrics_print(&soft, &snapshot, text);
	CHECK_CONTAINS(text, "gmem_stream_limit_bytes_per_second{session=\"abcdef01\",role=\"source\"} 65536\n");
	CHECK_CONTAINS(text, "gmem_software_evidence{session=\"abcdef01\",role=\"source\"} 1\n");
	CHECK_CONTAINS(text, "\ngmem_backend_info{session=\"abcdef01\",role=\"source\",backend=\"uffd\"} 1\n");
	CU_ASSERT_PTR_NULL(strstr(text, "pages_missing"));
	check_format(text);
	CU_ASSERT_PTR_NULL(strstr(text, "working_set"));
	snapshot.side.workset = replayed;
	metrics_print(&soft, &snapshot, text);
	CHECK_CONTAINS(text, "gmem_working_set_pages{session=\"abcdef01\",role=\"source\"} 100\n");
	CHECK_CONTAINS(text, "gmem_working_set_sent_total{session=\"abcdef01\",role=\"source\"} 90\n");
	CHECK_CONTAINS(text, "gmem_working_set_late_total{session=\"abcdef01\",role=\"source\"} 4\n");
	CHECK_CONTAINS(text, "gmem_working_set_outside_total{session=\"abcdef01\",role=\"source\"} 7\n");
	check_format(text);
	snapshot.side.backend = NULL;	/* no VM yet */
	metrics_print(&soft, &snapshot, text);
	CU_ASSERT_PTR_NULL(strstr(text, "backend_info"));
	/* the largest numbers there are still fit */
	memset(&snapshot.progress, 0xff, sizeof(snapshot.progress));
	snapshot.progress.phase = GMEM_PHASE_RUNNING;
	snapshot.progress.link = GMEM_LINK_UP;
	for (i = 0; i < SNAPSHOT_N_LATENCY; i++)
		snapshot.latency[i] = UINT64_MAX;
	CU_ASSERT_TRUE(metrics_print(&plain, &snapshot, text) < METRICS_MAX - 1);
	check_format(text);
}

/* Every metric is in docs/control.md, and every one there is made. */
static void test_metrics_are_documented(void)
{
	static char text[METRICS_MAX], doc[65536];
	struct snapshot one = pager(), two = source();
	FILE *file = fopen(DOCS "/control.md", "re");
	size_t len = file != NULL ? fread(doc, 1, sizeof(doc) - 1, file) : 0;
	char name[64], quoted[72], *at;

	CU_ASSERT_TRUE_FATAL(len > 0);
	fclose(file);
	two.side.workset = replayed;
	metrics_print(&plain, &one, text);
	for (at = text; (at = strstr(at, "# TYPE ")) != NULL; at++) {
		CU_ASSERT_EQUAL(sscanf(at, "# TYPE %63s", name), 1);
		snprintf(quoted, sizeof(quoted), "`%s`", name);
		CHECK_CONTAINS(doc, quoted);
	}
	CHECK_CONTAINS(doc, "`gmem_stream_limit_bytes_per_second`");
	for (at = doc; (at = strstr(at, "`gmem_")) != NULL; at++) {
		CU_ASSERT_EQUAL(sscanf(at, "`%63[a-z_]`", name), 1);
		metrics_print(&plain, &one, text);
		if (strstr(text, name) == NULL)
			metrics_print(&soft, &two, text);
		CHECK_CONTAINS(text, name);
	}
}

static const struct check checks[] = {
	{ "the schema", test_the_schema },
	{ "a restore", test_a_restore },
	{ "a working set", test_a_working_set },
	{ "the schema is strict", test_the_schema_is_strict },
	{ "warnings", test_warnings },
	{ "advice", test_advice },
	{ "the last good moment", test_the_last_good_moment },
	{ "metrics", test_metrics },
	{ "metrics are documented", test_metrics_are_documented },
	{ NULL, NULL },
};

CHECK_MAIN("what is told", checks)
