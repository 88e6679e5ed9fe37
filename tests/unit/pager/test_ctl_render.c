// SPDX-License-Identifier: MIT
/* What gmemctl shows of a status, by a status that stands here. */
#include "check.h"
#include "ctl_render.h"

static char *text;

static const char status_text[] =
	"{\"program\":\"gmem-pager\",\"role\":\"destination\",\"session\":\"abcdef01\",\"phase\":\"running\",\"state\":\"RUNNING\","
	"\"meaning\":\"the guest runs here\",\"error\":null,\"advice\":\"do this\",\"backend\":\"uffd\",\"evidence\":{\"own\":\"software\",\"warning\":"
	"\"SOFTWARE KEY\"},\"peer\":{\"link\":\"reconnecting\",\"last_heard\":\"2026-11-23T12:00:00Z\",\"silent_ms\":2500,"
	"\"resumed\":1,\"error\":\"cut\"},\"pages\":{\"total\":1000,\"present\":425,\"missing\":575,\"demand\":25,"
	"\"background\":400,\"zero\":5,\"duplicate\":2},\"rates\":{\"bytes_per_s\":3145728,\"pages_per_s\":700,"
	"\"remaining_ms\":1500},\"faults\":{\"answered\":8,\"waiting\":1,\"p50_us\":100,\"p90_us\":200,\"p99_us\":300,"
	"\"max_us\":400,\"histogram\":[[1,0],[2,0],[4,0],[8,4],[16,4],[32,4],[64,6],[128,6]]},"
	"\"waits\":{\"for\":\"peer\",\"text\":\"the other side\",\"ms\":2400,\"stalled\":true},"
	"\"stream\":{\"limit_bytes_per_s\":null,\"paused\":true},\"map\":[0,1,40,70,99,100]}";

static struct json_object *render(void (*how)(struct json_object *status, FILE *file), const char *json)
{
	struct json_object *status = json_tokener_parse(json);
	size_t len;
	FILE *file;

	free(text);
	file = open_memstream(&text, &len);
	how(status, file);
	fclose(file);
	return status;
}

static void narrow(struct json_object *status, FILE *file)
{
	ctl_render_screen(status, 60, file);
}

static void test_status(void)
{
	json_object_put(render(ctl_render_status, status_text));
	CHECK_CONTAINS(text, "session     abcdef01 (gmem-pager, destination)\n");
	CHECK_CONTAINS(text, "phase       running; state RUNNING: the guest runs here\n");
	CHECK_CONTAINS(text, "backend     uffd\n");
	CHECK_CONTAINS(text, "WARNING     SOFTWARE KEY\n");
	CHECK_CONTAINS(text, "peer        reconnecting; last heard 2026-11-23T12:00:00Z, 2.5 s ago; 1 times again after a loss; cut\n");
	CHECK_CONTAINS(text, "425 of 1000 present (42 %), 575 missing;");
	CHECK_CONTAINS(text, "rate        3.0 MiB/s, 700 pages/s; left: 2 s\n");
	CHECK_CONTAINS(text, "8 answered, 1 waiting; p50 100 us");
	CHECK_CONTAINS(text, "stream      PAUSED\n");
	CHECK_CONTAINS(text, "waits       for 2.4 s for the other side: STALLED\n");
	CHECK_CONTAINS(text, "advice      do this\n");
	CU_ASSERT_PTR_NULL(strstr(text, "error "));
}

static void test_working_set(void)
{
	static const char replayed[] =
		"{\"role\":\"source\",\"waits\":{\"for\":\"nothing\"},\"snapshot\":{\"root\":\"00ff\",\"may_be_old\":false,"
		"\"working_set\":{\"state\":\"replayed\",\"pages\":100,\"sent\":90,\"late\":4,\"outside\":7}}}";
	static const char recording[] =
		"{\"role\":\"source\",\"waits\":{\"for\":\"nothing\"},\"snapshot\":{\"root\":\"00ff\",\"may_be_old\":false,"
		"\"working_set\":{\"state\":\"recording\",\"pages\":12,\"sent\":null,\"late\":null,\"outside\":null}}}";

	json_object_put(render(ctl_render_status, replayed));
	CHECK_CONTAINS(text, "working set replayed, 100 pages; sent 90, asked for all the same 4; asked for and not in it 7\n");
	json_object_put(render(ctl_render_status, recording));
	CHECK_CONTAINS(text, "working set recording, 12 pages\n");
	json_object_put(render(ctl_render_status, status_text));
	CU_ASSERT_PTR_NULL(strstr(text, "working set"));
}

static void test_line(void)
{
	json_object_put(render(ctl_render_line, status_text));
	CU_ASSERT_STRING_EQUAL(text, "running 42% 3.0 MiB/s left 2 s waiting 1 p99 300 us peer reconnecting STALLED, for the other "
			       "side\n");
}

static void test_screen(void)
{
	json_object_put(render(narrow, status_text));
	CHECK_CONTAINS(text, "[#####################.............................]  42 %\n");
	CHECK_CONTAINS(text, "  <=          8 us        4 ===============\n");
	CHECK_CONTAINS(text, "  <=         64 us        2 =======\n");
	CHECK_CONTAINS(text, "> more                 2\n");
	CHECK_CONTAINS(text, "memory present\n  .-=++#\n");
}

/* A status of another version, or none: what is not there is not made up, and nothing breaks. */
static void test_what_is_not_there(void)
{
	static const char *const odd[] = {
		"{}", "null", "[]", "7", "{\"pages\":7,\"faults\":[],\"map\":{},\"peer\":null}",
		"{\"faults\":{\"answered\":5,\"histogram\":[1,[],[1],{}]},\"map\":[\"x\",null,-5,1000]}",
		"{\"pages\":{\"total\":-1,\"present\":\"x\"},\"rates\":{\"remaining_ms\":\"x\"}}",
	};
	size_t i;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_object_put(render(ctl_render_status, odd[i]));
		json_object_put(render(ctl_render_line, odd[i]));
		json_object_put(render(narrow, odd[i]));
		CHECK_CONTAINS(text, "]   0 %");
	}
}

/* A sentence may come from the other host: nothing in it moves the cursor. */
static void test_no_escapes(void)
{
	struct json_object *status = render(ctl_render_status, "{\"error\":\"a\\u001b[2Jb\\nc\\u00e4\",\"phase\":\"\\u001b\"}");

	CHECK_CONTAINS(text, "error       a?[2Jb?c??\n");
	CU_ASSERT_PTR_NULL(strchr(text, '\033'));
	CU_ASSERT_STRING_EQUAL(ctl_render_get(status, "phase"), "?");
	CU_ASSERT_STRING_EQUAL(ctl_render_get(status, "peer.link"), "");
	CU_ASSERT_STRING_EQUAL(ctl_render_get(status, "a.name.that.is.much.too.long.to.be.one.of.these.at.all"), "");
	json_object_put(status);
}

static void test_percent(void)
{
	static const struct {
		const char *json;
		unsigned int percent;
	} cases[] = {
		{ "{\"phase\":\"complete\"}", 100 }, { "{\"pages\":{\"total\":0,\"present\":0}}", 0 },
		{ "{\"pages\":{\"total\":3,\"present\":2}}", 66 }, { "{\"pages\":{\"total\":3,\"present\":9}}", 100 },
		{ "{\"pages\":{\"total\":8,\"present\":null,\"demand\":1,\"background\":3}}", 50 },
	};
	struct json_object *status;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		status = json_tokener_parse(cases[i].json);
		CU_ASSERT_EQUAL(ctl_render_percent(status), cases[i].percent);
		json_object_put(status);
	}
}

static const struct check checks[] = {
	{ "a status", test_status },
	{ "a working set", test_working_set },
	{ "a line", test_line },
	{ "a screen", test_screen },
	{ "what is not there", test_what_is_not_there },
	{ "no escapes", test_no_escapes },
	{ "percent", test_percent },
	{ NULL, NULL },
};

CHECK_MAIN("what gmemctl shows", checks)
