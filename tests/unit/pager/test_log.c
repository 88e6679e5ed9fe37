// SPDX-License-Identifier: MIT
/* Lines of the log, as text and as JSON. */
#include <errno.h>
#include <json-c/json.h>
#include <unistd.h>

#include "check.h"
#include "log.h"

static char path[] = "/tmp/gmem-log-XXXXXX", got[8192];

/* What is logged by @json, then the whole file in @got. */
static void log_one(bool json, enum log_level level, const char *message)
{
	char spec[64];
	FILE *file;

	CU_ASSERT_EQUAL_FATAL(truncate(path, 0), 0);
	snprintf(spec, sizeof(spec), "info:%s", path);
	CU_ASSERT_EQUAL_FATAL(log_init("test", spec, json), 0);
	log_line(level, "%s", message);
	file = fopen(path, "re");
	got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
	fclose(file);
}

static void test_text(void)
{
	log_one(false, LOG_LEVEL_WARN, "a \"word\"");
	CHECK_CONTAINS(got, " test: warn: a \"word\"\n");
	log_one(false, LOG_LEVEL_DEBUG, "not at this level");
	CU_ASSERT_STRING_EQUAL(got, "");
}

static const char *member(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static void expect_json(const char *message, const char *read_back)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;

	log_one(true, LOG_LEVEL_INFO, message);
	CU_ASSERT_EQUAL(strchr(got, '\n'), got + strlen(got) - 1);	/* one line */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, got, (int)strlen(got) - 1);
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		object = NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	CU_ASSERT_EQUAL(json_object_object_length(object), 5);
	CU_ASSERT_STRING_EQUAL(member(object, "message"), read_back);
	CU_ASSERT_STRING_EQUAL(member(object, "program"), "test");
	CU_ASSERT_STRING_EQUAL(member(object, "level"), "info");
	CU_ASSERT_EQUAL(strlen(member(object, "time")), strlen("2026-11-23T12:00:00.000000Z"));
	CU_ASSERT_TRUE(json_object_get_double(json_object_object_get(object, "monotonic")) > 0);
	json_object_put(object);
	json_tokener_free(tokener);
}

static void test_json(void)
{
	expect_json("plain", "plain");
	expect_json("", "");
	expect_json("say \"why\" \\ now", "say \"why\" \\ now");
	expect_json("two\nlines\tand \x01\x1f", "two\nlines\tand \x01\x1f");
	expect_json("bytes \xff\xc3\xa4\x7f", "bytes ????");
}

/* What is cut is cut between two characters, never in an escape. */
static void test_a_long_message(void)
{
	char message[1000], want[1000];
	struct json_object *object;
	size_t len;

	memset(message, '"', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	memset(want, '"', sizeof(want));
	log_one(true, LOG_LEVEL_INFO, message);
	object = json_tokener_parse(got);
	len = strlen(member(object, "message"));
	json_object_put(object);
	CU_ASSERT_TRUE(len >= 400 && len < sizeof(message));
	want[len] = '\0';
	expect_json(message, want);
	memset(message, 1, sizeof(message) - 1);
	log_one(true, LOG_LEVEL_INFO, message);
	object = json_tokener_parse(got);
	CU_ASSERT_PTR_NOT_NULL(object);
	json_object_put(object);
	log_one(false, LOG_LEVEL_INFO, message);
	CU_ASSERT_EQUAL(got[strlen(got) - 1], '\n');
}

static void test_bad_specs(void)
{
	CU_ASSERT_EQUAL(log_init("test", "loud", false), -EINVAL);
	CU_ASSERT_EQUAL(log_init("test", "", true), -EINVAL);
	CU_ASSERT_EQUAL(log_init("test", "info:/nonexistent/log", true), -ENOENT);
}

static const struct check checks[] = {
	{ "text", test_text },
	{ "JSON", test_json },
	{ "a long message", test_a_long_message },
	{ "bad specs", test_bad_specs },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	int code, fd = mkstemp(path);

	close(fd);
	code = check_main("the log", checks, argc > 1 ? argv[1] : NULL);
	unlink(path);
	return code;
}
