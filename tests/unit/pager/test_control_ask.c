// SPDX-License-Identifier: MIT
/* What a client may ask for, and each way to ask wrongly; the parser and the schema say the same. */
#include <errno.h>

#include "check.h"
#include "control/ask.h"
#include "json_schema.h"
#include "limit.h"

#define S "\"session\":\"abcdef01\""
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define D32 "0123456789abcdef0123456789ABCDEF"

static const char *const good[] = {
	"{\"verb\":\"status\"}", "{\"verb\":\"status\",\"map\":1}", "{\"map\":256,\"verb\":\"status\"}", " {\"verb\" : \"metrics\"} ",
	"{\"verb\":\"subscribe\"}", "{\"verb\":\"subscribe\",\"map\":64,\"interval_ms\":200}",
	"{\"verb\":\"subscribe\",\"interval_ms\":60000}", "{\"verb\":\"wait\"}",
	"{\"verb\":\"wait\",\"until\":\"accepted\"}", "{\"verb\":\"wait\",\"until\":\"started\",\"timeout_ms\":1}",
	"{\"verb\":\"wait\",\"until\":\"running\",\"timeout_ms\":86400000}", "{\"verb\":\"wait\",\"until\":\"complete\"}",
	"{\"verb\":\"wait\",\"until\":\"end\"}", "{\"verb\":\"pause\"," S "}", "{\"verb\":\"resume\"," S "}",
	"{\"verb\":\"pause\",\"session\":\"" D32 D32 "\"}", "{\"verb\":\"limit\"," S ",\"bytes_per_s\":0}",
	"{\"verb\":\"limit\"," S ",\"bytes_per_s\":4096}", "{\"verb\":\"limit\"," S ",\"bytes_per_s\":1099511627776}",
	"{\"verb\":\"abort\"," S ",\"reason\":\"x\"}", "{\"verb\":\"abandon\"," S ",\"reason\":\"" X50 X50 X50 X50 "\"}",
};

static const struct {
	const char *line;
	int status;
	const char *sentence;
} bad[] = {
	{ "{}", -EINVAL, "verb: is needed" },
	{ "{\"verb\":7}", -EINVAL, "verb: is needed" },
	{ "{\"verb\":null}", -EINVAL, "verb: is needed" },
	{ "{\"verb\":[\"status\"]}", -EINVAL, "verb: is needed" },
	{ "{\"verb\":\"status\\u0000\"}", -EINVAL, "verb: is needed" },
	{ "{\"verb\":\"\"}", -EOPNOTSUPP, "no such verb" },
	{ "{\"verb\":\"Status\"}", -EOPNOTSUPP, "no such verb" },
	{ "{\"verb\":\"thaw\"}", -EOPNOTSUPP, "no such verb" },
	{ "{\"verb\":\"status\",\"colour\":1}", -EINVAL, "a field that no verb has" },
	{ "{\"verb\":\"status\",\"\":1}", -EINVAL, "a field that no verb has" },
	{ "{\"verb\":\"status\"," S "}", -EINVAL, "session: this verb does not have it" },
	{ "{\"verb\":\"metrics\",\"map\":1}", -EINVAL, "map: this verb does not have it" },
	{ "{\"verb\":\"wait\",\"interval_ms\":1000}", -EINVAL, "interval_ms: this verb does not have it" },
	{ "{\"verb\":\"pause\"," S ",\"reason\":\"x\"}", -EINVAL, "reason: this verb does not have it" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":\"x\",\"bytes_per_s\":0}", -EINVAL, "bytes_per_s: this verb does not have it" },
	{ "{\"verb\":\"status\",\"map\":0}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":257}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":-1}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":1.5}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":\"1\"}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":NaN}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":true}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":null}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"status\",\"map\":99999999999999999999999}", -EINVAL, "map: takes 1 to 256" },
	{ "{\"verb\":\"subscribe\",\"interval_ms\":199}", -EINVAL, "interval_ms: takes 200 to 60000" },
	{ "{\"verb\":\"subscribe\",\"interval_ms\":60001}", -EINVAL, "interval_ms: takes 200 to 60000" },
	{ "{\"verb\":\"wait\",\"timeout_ms\":0}", -EINVAL, "timeout_ms: takes 1" },
	{ "{\"verb\":\"wait\",\"timeout_ms\":86400001}", -EINVAL, "timeout_ms: takes 1" },
	{ "{\"verb\":\"wait\",\"until\":\"idle\"}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"wait\",\"until\":\"connecting\"}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"wait\",\"until\":\"failed\"}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"wait\",\"until\":\"\"}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"wait\",\"until\":5}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"wait\",\"until\":null}", -EINVAL, "until: takes accepted" },
	{ "{\"verb\":\"pause\"}", -EINVAL, "session: this verb needs it" },
	{ "{\"verb\":\"resume\"}", -EINVAL, "session: this verb needs it" },
	{ "{\"verb\":\"limit\",\"bytes_per_s\":0}", -EINVAL, "session: this verb needs it" },
	{ "{\"verb\":\"limit\"," S "}", -EINVAL, "bytes_per_s: this verb needs it" },
	{ "{\"verb\":\"abort\",\"reason\":\"x\"}", -EINVAL, "session: this verb needs it" },
	{ "{\"verb\":\"abort\"," S "}", -EINVAL, "reason: this verb needs it" },
	{ "{\"verb\":\"abandon\",\"reason\":\"x\"}", -EINVAL, "session: this verb needs it" },
	{ "{\"verb\":\"abandon\"," S "}", -EINVAL, "reason: this verb needs it" },
	{ "{\"verb\":\"pause\",\"session\":\"abcdef0\"}", -EINVAL, "session: takes 8 to 64" },
	{ "{\"verb\":\"pause\",\"session\":\"" D32 D32 "0\"}", -EINVAL, "session: takes 8 to 64" },
	{ "{\"verb\":\"pause\",\"session\":\"abcdefg1\"}", -EINVAL, "session: takes 8 to 64" },
	{ "{\"verb\":\"pause\",\"session\":\"abcdef01\\u0000\"}", -EINVAL, "session: takes 8 to 64" },
	{ "{\"verb\":\"pause\",\"session\":12345678}", -EINVAL, "session: takes 8 to 64" },
	{ "{\"verb\":\"limit\"," S ",\"bytes_per_s\":4095}", -EINVAL, "bytes_per_s: takes 4096" },
	{ "{\"verb\":\"limit\"," S ",\"bytes_per_s\":1099511627777}", -EINVAL, "bytes_per_s: takes 4096" },
	{ "{\"verb\":\"limit\"," S ",\"bytes_per_s\":-1}", -EINVAL, "bytes_per_s: takes 4096" },
	{ "{\"verb\":\"limit\"," S ",\"bytes_per_s\":\"64K\"}", -EINVAL, "bytes_per_s: takes 4096" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":\"\"}", -EINVAL, "reason: takes 1 to 200" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":\"" X50 X50 X50 X50 "x\"}", -EINVAL, "reason: takes 1 to 200" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":\"a\\nb\"}", -EINVAL, "reason: takes 1 to 200" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":\"\xc3\xa4\"}", -EINVAL, "reason: takes 1 to 200" },
	{ "{\"verb\":\"abort\"," S ",\"reason\":{}}", -EINVAL, "reason: takes 1 to 200" },
};

/* These are no JSON object at all. */
static const char *const broken[] = {
	"", " ", "status", "[]", "[{\"verb\":\"status\"}]", "7", "null", "\"status\"", "{\"verb\":\"status\"", "{\"verb\":\"status\"}}",
	"{\"verb\":\"status\"} x", "{\"verb\":\"status\"}{\"verb\":\"status\"}", "{'verb':'status'}", "{verb:\"status\"}",
	"{\"verb\":\"status\",}", "{\"verb\":\"sta\ttus\"}", "{\"verb\":\"\xff\xfe\"}", "{\"verb\":\"status\"/* */}",
	"{\"verb\":\"status\",\"map\":[[[[1]]]]}", "{\"verb\":\"status\"\r}", "\xef\xbb\xbf{\"verb\":\"status\"}",
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int parse(const char *line, struct ask *ret_ask, char *ret_error)
{
	return ask_parse(line, strlen(line), ret_ask, ret_error);
}

static void test_each_wrong_field(void)
{
	struct ask ask, before;
	char error[ASK_ERROR_LEN];
	size_t i;
	int r;

	memset(&ask, 0xa5, sizeof(ask));
	before = ask;
	for (i = 0; i < N(bad); i++) {
		r = parse(bad[i].line, &ask, error);
		if (r != bad[i].status)
			fprintf(stderr, "\n    %s: %d, not %d", bad[i].line, r, bad[i].status);
		CU_ASSERT_EQUAL(r, bad[i].status);
		CHECK_CONTAINS(error, bad[i].sentence);
		CU_ASSERT_EQUAL(memcmp(&ask, &before, sizeof(ask)), 0);
	}
}

static void test_no_object(void)
{
	char line[ASK_LINE_MAX + 2], error[ASK_ERROR_LEN];
	struct ask ask;
	size_t i;
	int r;

	for (i = 0; i < N(broken); i++) {
		r = parse(broken[i], &ask, error);
		if (r != -EBADMSG)
			fprintf(stderr, "\n    %s: %d", broken[i], r);
		CU_ASSERT_EQUAL(r, -EBADMSG);
	}
	/* a NUL in it, behind it, or a whole object before it */
	CU_ASSERT_EQUAL(ask_parse("{\"verb\":\"sta\0us\"}", 17, &ask, error), -EBADMSG);
	CU_ASSERT_EQUAL(ask_parse("{\"verb\":\"status\"}\0", 18, &ask, error), -EBADMSG);
	CU_ASSERT_EQUAL(ask_parse("{\"verb\":\"status\"}\0x", 19, &ask, error), -EBADMSG);
	/* the longest line, and one byte more */
	memset(line, ' ', sizeof(line));
	memcpy(line, good[0], strlen(good[0]));
	CU_ASSERT_EQUAL(ask_parse(line, ASK_LINE_MAX, &ask, error), 0);
	CU_ASSERT_EQUAL(ask_parse(line, ASK_LINE_MAX + 1, &ask, error), -EBADMSG);
}

/* Nothing behind @len is looked at. */
static void test_only_the_line(void)
{
	char error[ASK_ERROR_LEN], *exact = malloc(17);
	struct ask ask;

	memcpy(exact, "{\"verb\":\"status\"}", 17);
	CU_ASSERT_EQUAL(ask_parse(exact, 17, &ask, error), 0);
	CU_ASSERT_EQUAL(ask_parse(exact, 16, &ask, error), -EBADMSG);
	free(exact);
}

static void test_what_is_taken(void)
{
	char error[ASK_ERROR_LEN];
	struct ask ask;
	size_t i;

	for (i = 0; i < N(good); i++) {
		const int r = parse(good[i], &ask, error);

		if (r < 0)
			fprintf(stderr, "\n    %s: %s", good[i], error);
		CU_ASSERT_EQUAL(r, 0);
	}
	CU_ASSERT_EQUAL(parse("{\"verb\":\"wait\"}", &ask, error), 0);
	CU_ASSERT_EQUAL(ask.verb, ASK_WAIT);
	CU_ASSERT_EQUAL(ask.until, GMEM_PHASE_COMPLETE);
	CU_ASSERT_FALSE(ask.until_end);
	CU_ASSERT_EQUAL(ask.timeout_ms, 0);
	CU_ASSERT_EQUAL(parse("{\"verb\":\"wait\",\"until\":\"end\",\"timeout_ms\":5}", &ask, error), 0);
	CU_ASSERT_TRUE(ask.until_end);
	CU_ASSERT_EQUAL(ask.timeout_ms, 5);
	CU_ASSERT_EQUAL(parse("{\"verb\":\"subscribe\",\"map\":9}", &ask, error), 0);
	CU_ASSERT_EQUAL(ask.interval_ms, ASK_INTERVAL);
	CU_ASSERT_EQUAL(ask.map_cells, 9);
	CU_ASSERT_EQUAL(parse("{\"verb\":\"limit\",\"session\":\"ABCDEF01\",\"bytes_per_s\":65536}", &ask, error), 0);
	CU_ASSERT_STRING_EQUAL(ask.session, "abcdef01");
	CU_ASSERT_EQUAL(ask.bytes_per_s, 65536);
	CU_ASSERT_EQUAL(parse("{\"verb\":\"abort\"," S ",\"reason\":\"say \\\"why\\\"\"}", &ask, error), 0);
	CU_ASSERT_STRING_EQUAL(ask.reason, "say \"why\"");
	CU_ASSERT_TRUE(ask_changes(ASK_PAUSE) && ask_changes(ASK_RESUME) && ask_changes(ASK_LIMIT));
	CU_ASSERT_TRUE(ask_changes(ASK_ABORT) && ask_changes(ASK_ABANDON));
	CU_ASSERT_FALSE(ask_changes(ASK_STATUS) || ask_changes(ASK_WAIT) || ask_changes(ASK_METRICS));
	CU_ASSERT_FALSE(ask_changes(ASK_SUBSCRIBE));
}

static bool by_schema(struct json_object *root, const char *line)
{
	struct json_object *value = json_tokener_parse(line);
	char where[128];
	bool fits = json_schema_fits(root, json_schema_def(root, "request"), value, where);

	json_object_put(value);
	return fits;
}

static void test_the_schema_says_the_same(void)
{
	struct json_object *root = json_object_from_file(SCHEMA);
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	for (i = 0; i < N(good); i++)
		CU_ASSERT_TRUE(by_schema(root, good[i]));
	for (i = 0; i < N(bad); i++) {
		if (by_schema(root, bad[i].line))
			fprintf(stderr, "\n    fits the schema: %s", bad[i].line);
		CU_ASSERT_FALSE(by_schema(root, bad[i].line));
	}
	json_object_put(root);
}

static const struct check checks[] = {
	{ "each wrong field", test_each_wrong_field },
	{ "no object", test_no_object },
	{ "only the line", test_only_the_line },
	{ "what is taken", test_what_is_taken },
	{ "the schema says the same", test_the_schema_says_the_same },
	{ NULL, NULL },
};

CHECK_MAIN("what a client asks for", checks)
