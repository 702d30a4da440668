/* coppice-code: JSON as text, events, and the snippets that set variables. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/own.h"
#include "code/code.h"
#include "code/event.h"
#include "code/jv.h"
#include "code/lang.h"
#include "t.h"

static struct jv
parsed(const char *s)
{
	struct jv v = { NULL, 0 };

	if (jv_parse(s, strlen(s), &v, NULL) < 0)
		v.p = NULL;
	return v;
}

/* --- JSON -----------------------------------------------------------------*/

static void
accepted(void)
{
	static const char *good[] = { "0", "-0", "-1.5e+3", "1E9", "\"\"",
		" {} ", "[ ]", "{\"a\":[1,{\"b\":null}],\"c\":true}",
		"\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "[[[]]]", "false",
		"[1 , 2\n]", "{ \"a\" : 1 , \"b\" : 2 }" };
	static const char *bad[] = { "", " ", "{", "[1,]", "{\"a\"}", "{a:1}",
		"01", "1.", ".5", "1e", "-", "+1", "nul", "truex", "\"",
		"\"\n\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "[1}",
		"{\"a\":1]", "1 2", "{\"a\":1,}", "NaN", "]", "[,1]", "{,}",
		"\"\\" };
	char deep[2 * JV_DEPTH_MAX + 5];

	for (size_t i = 0; i < countof(good); i++)
		CHECK(parsed(good[i]).p != NULL);
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(parsed(bad[i]).p == NULL);
	memset(deep, '[', JV_DEPTH_MAX);
	memset(deep + JV_DEPTH_MAX, ']', JV_DEPTH_MAX);
	deep[2 * JV_DEPTH_MAX] = '\0';
	CHECK(parsed(deep).p != NULL);
	memset(deep, '[', JV_DEPTH_MAX + 2);
	memset(deep + JV_DEPTH_MAX + 2, ']', JV_DEPTH_MAX + 2);
	deep[2 * JV_DEPTH_MAX + 4] = '\0';
	CHECK(parsed(deep).p == NULL);
}

static bool
put_as(const char *s, const char *want)
{
	struct jv v = parsed(s);
	struct buf b;
	bool ok;

	buf_init(&b, 10000);
	ok =
	    v.p != NULL && jv_put(&b, v) == 0 && strcmp(buf_str(&b), want) == 0;
	if (!ok)
		printf("# %s -> %s\n", s, buf_str(&b));
	buf_fini(&b);
	return ok;
}

static void
looked_at(void)
{
	struct jv v = parsed("{ \"a\\u002fb\": [1, \"x}]\" ,{}], \"n\":-12, "
			     "\"n\" :7,\"s\":\"\\ud83d\\ude00\\ud83d\","
			     "\"e\":{}}");
	struct jv_iter it = jv_members(jv_get(v, "a/b"));
	struct jv key, value;
	autofree char *s = jv_strdup(jv_get(v, "s"));
	int64_t n;

	CHECK(jv_type(v) == JV_OBJECT && jv_type(jv_get(v, "no")) == JV_NONE);
	CHECK(jv_int(jv_get(v, "n"), &n) == 0 && n == 7);
	CHECK(jv_int(parsed("1.5"), &n) < 0 && jv_int(parsed("\"1\""), &n) < 0);
	CHECK(jv_int(parsed("99999999999999999999"), &n) < 0);
	CHECK(jv_next(&it, &key, &value) && jv_type(value) == JV_NUMBER &&
	      value.n == 1 && key.p == NULL);
	CHECK(jv_next(&it, &key, &value) && jv_is(value, "x}]"));
	CHECK(jv_next(&it, &key, &value) && jv_type(value) == JV_OBJECT);
	CHECK(!jv_next(&it, &key, &value));
	CHECK(s != NULL && strcmp(s, "\xf0\x9f\x98\x80\xef\xbf\xbd") == 0);
	CHECK(jv_strdup(parsed("\"a\\u0000\"")) == NULL);
	CHECK(jv_strdup(parsed("1")) == NULL);
	CHECK(jv_is(parsed("\"\\u0061\\\\\""), "a\\"));
	CHECK(!jv_is(parsed("\"ab\""), "a") && !jv_is(parsed("\"a\""), "ab"));
	it = jv_members(parsed("3"));
	CHECK(!jv_next(&it, &key, &value));
}

static void
written(void)
{
	CHECK(put_as("{ \"a\" :\n[ 1 , 2.50 ] }", "{\"a\":[1,2.50]}"));
	CHECK(put_as("\"\xc3\xa9\xe2\x80\xa8\x7f\xf0\x9f\x98\x80\\n\\u00E9\"",
	    "\"\\u00e9\\u2028\\u007f\\ud83d\\ude00\\n\\u00E9\""));
	/* Overlong, half, alone. */
	CHECK(put_as("\"\xc0\xaf|\xe2\x80|\xff|\xed\xa0\x80\"",
	    "\"\\ufffd\\ufffd|\\ufffd\\ufffd|\\ufffd|"
	    "\\ufffd\\ufffd\\ufffd\""));
	CHECK(put_as("\"\\ud800\"", "\"\\ud800\""));
	CHECK(put_as("[\"a b\", \" \"]", "[\"a b\",\" \"]"));
}

/* --- events ---------------------------------------------------------------*/

static bool
event_as(enum msg_type type, const char *content, const char *want)
{
	struct msg m = { .type = type,
		.content = parsed(content),
		.date = parsed("\"D\"") };
	struct buf b;
	bool ok;

	buf_init(&b, 10000);
	ok = event_put(&b, &m) == 0 && strcmp(buf_str(&b), want) == 0;
	if (!ok)
		printf("# %s -> %s\n", content, buf_str(&b));
	buf_fini(&b);
	return ok;
}

static bool
text_as(const char *text, const char *want)
{
	char content[256], line[256];

	(void)snprintf(
	    content, sizeof(content), "{\"data\":{\"text/plain\":%s}}", text);
	(void)snprintf(line, sizeof(line),
	    "{\"type\": \"result\", \"is_main_result\": true, \"text\": %s, "
	    "\"extra\": {}}\n",
	    want);
	return event_as(MSG_RESULT, content, line);
}

static void
events(void)
{
	struct buf b;
	struct msg m;

	CHECK(
	    event_as(MSG_STREAM, "{\"name\":\"stderr\",\"text\":\"\xc3\xa9\"}",
		"{\"type\": \"stderr\", \"text\": \"\\u00e9\", \"timestamp\": "
		"\"D\"}\n"));
	CHECK(event_as(MSG_STREAM, "{}",
	    "{\"type\": \"stdout\", \"text\": \"\", \"timestamp\": \"D\"}\n"));
	CHECK(event_as(MSG_INPUT, "{\"execution_count\":3,\"code\":\"x\"}",
	    "{\"type\": \"number_of_executions\", \"execution_count\": 3}\n"));
	CHECK(event_as(MSG_INPUT, "{\"execution_count\":null}", ""));
	CHECK(event_as(MSG_STATUS, "{\"execution_state\":\"idle\"}", ""));
	CHECK(event_as(MSG_ERROR,
	    "{\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"a\",1,\"b\"]}",
	    "{\"type\": \"error\", \"name\": \"E\", \"value\": \"v\", "
	    "\"traceback\": \"ab\"}\n"));
	CHECK(event_as(MSG_ERROR, "{\"ename\":null}",
	    "{\"type\": \"error\", \"name\": \"\", \"value\": \"\", "
	    "\"traceback\": \"\"}\n"));
	CHECK(event_as(MSG_DISPLAY,
	    "{\"data\":{\"text/latex\":\"l\",\"a/b\":{\"x\":[1]},\"c\":null}}",
	    "{\"type\": \"result\", \"is_main_result\": false, \"latex\": "
	    "\"l\", \"extra\": {\"a/b\": {\"x\":[1]}}}\n"));
	CHECK(event_as(MSG_DISPLAY, "{\"data\":[]}", ""));

	CHECK(text_as("\"'abc'\"", "\"abc\""));
	CHECK(text_as("\"\\\"abc\\\"\"", "\"abc\""));
	CHECK(text_as("\"'a\\\"\"", "\"'a\\\"\""));
	CHECK(text_as("\"'\"", "\"\"") && text_as("\"''\"", "\"\""));
	CHECK(text_as("\"\"", "\"\"") && text_as("\"a'\"", "\"a'\""));
	CHECK(text_as("\"\\u0027a\\u0027\"", "\"a\""));
	CHECK(text_as("\"'\\\\'\"", "\"\\\\\""));
	CHECK(text_as("\"'\\n\xc3\xa9'\"", "\"\\n\\u00e9\""));
	CHECK(text_as("[1]", "[1]"));

	/* No half line where there is no room. */
	m = (struct msg){ .type = MSG_STREAM,
		.content = parsed("{\"text\":\"0123456789\"}") };
	buf_init(&b, 60);
	CHECK(event_put_keepalive(&b) == 0);
	CHECK(event_put(&b, &m) < 0);
	CHECK(strcmp(buf_str(&b), "{\"type\": \"keepalive\"}\n") == 0);
	buf_fini(&b);
	buf_init(&b, 1000);
	CHECK(event_put_end(&b) == 0 &&
	      strcmp(buf_str(&b), "{\"type\": \"end_of_execution\"}\n") == 0);
	buf_fini(&b);
}

/* --- languages and variables ----------------------------------------------*/

static void
names(void)
{
	char to[LANG_NAME_MAX], longest[80];

	CHECK(lang_name("", to) == 0 && strcmp(to, "python") == 0);
	CHECK(lang_name("  JS\n", to) == 0 && strcmp(to, "javascript") == 0);
	CHECK(lang_name("ts", to) == 0 && strcmp(to, "typescript") == 0);
	CHECK(lang_name("Cobol", to) == 0 && strcmp(to, "cobol") == 0);
	memset(longest, 'x', sizeof(longest));
	longest[LANG_NAME_MAX - 1] = '\0';
	CHECK(lang_name(longest, to) == 0);
	longest[LANG_NAME_MAX - 1] = 'x';
	longest[LANG_NAME_MAX] = '\0';
	CHECK(lang_name(longest, to) < 0);
	CHECK(lang_find("cobol") == NULL);
	CHECK(strcmp(lang_find("typescript")->kernel, "javascript") == 0);
}

static bool
sets(
    const char *language, const char *name, const char *value, const char *want)
{
	struct buf b;
	bool ok;

	buf_init(&b, 10000);
	ok = lang_find(language)->put_var(&b, name, value) == 0 &&
	     strcmp(buf_str(&b), want) == 0;
	if (!ok)
		printf("# %s: %s\n", language, buf_str(&b));
	buf_fini(&b);
	return ok;
}

static void
snippets(void)
{
	static const char nasty[] = "a'\"\\\n$`\x01\xc3\xa9\xf0\x9f\x98\x80";

	CHECK(sets("python", "A", nasty,
	    "__import__('os').environ[\"A\"]=\"a'\\\"\\\\\\012$`\\001\\u00e9"
	    "\\U0001f600\"\n"));
	CHECK(sets(
	    "python", "A", NULL, "__import__('os').environ.pop(\"A\",None)\n"));
	CHECK(sets("javascript", "A", nasty,
	    "process.env[\"A\"]=\"a'\\\"\\\\\\n$`\\u0001\\u00e9\\ud83d\\ude00\""
	    ";\n"));
	CHECK(sets(
	    "typescript", "A\"", NULL, "delete process.env[\"A\\\"\"];\n"));
	CHECK(sets("r", "A", nasty,
	    "do.call(Sys.setenv,structure(list(\"a'\\\"\\\\\\012$`\\001"
	    "\xc3\xa9\xf0\x9f\x98\x80\"),names=\"A\"))\n"));
	CHECK(sets("r", "A", NULL, "Sys.unsetenv(\"A\")\n"));
	CHECK(sets("bash", "A", nasty,
	    "export A='a'\\''\"\\\n$`\x01\xc3\xa9\xf0\x9f\x98\x80'\n"));
	CHECK(sets("bash", "A", NULL, "unset A\n"));
	CHECK(sets("bash", "A;rm", "x", "") && sets("bash", "1", "x", ""));
	CHECK(sets("java", "A", nasty,
	    "System.setProperty(\"A\",\"a'\\\"\\\\\\012$`\\001\\u00e9\\ud83d"
	    "\\ude00\");\n"));
	CHECK(sets("java", "A", NULL, "System.clearProperty(\"A\");\n"));
}

static void
lists(void)
{
	struct varlist l = { NULL, 0 };
	struct jv bad = { NULL, 0 };

	CHECK(varlist_from(&l, parsed("{\"A\":\"1\",\"B\":\"\",\"A\":\"2\"}"),
		  &bad) == 0 &&
	      l.n == 2);
	CHECK(strcmp(varlist_get(&l, "A")->value, "2") == 0);
	CHECK(varlist_get(&l, "a") == NULL);
	CHECK(varlist_set(&l, "A", NULL) == 0 &&
	      varlist_get(&l, "A")->value == NULL);
	CHECK(
	    varlist_from(&l, parsed("{\"C\":1}"), &bad) < 0 && jv_is(bad, "C"));
	CHECK(varlist_from(&l, parsed("{\"\":\"x\"}"), &bad) < 0);
	CHECK(varlist_from(&l, parsed("{\"D=\":\"x\"}"), &bad) < 0);
	CHECK(varlist_from(&l, parsed("{\"E\":\"\\u0000\"}"), &bad) < 0);
	for (int i = 0; i < VARS_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "V%d", i);
		if (varlist_set(&l, name, "x") < 0)
			break;
	}
	CHECK(l.n == VARS_MAX && varlist_set(&l, "W", "x") < 0);
	CHECK(varlist_set(&l, "V1", "y") == 0);
	varlist_free(&l);
}

/* --- bodies ---------------------------------------------------------------*/

/* An answer of 422 is JSON itself, and names the field. */
static bool
refuses(const char *body, const char *field)
{
	struct execute x;
	struct buf detail;
	json_t *all;
	char want[64];
	bool ok;

	buf_init(&detail, 10000);
	ok = execute_read(&x, body, strlen(body), &detail) < 0;
	if (!ok)
		execute_fini(&x);
	all = json_loadb(detail.data, detail.len, 0, NULL);
	(void)snprintf(want, sizeof(want), "\"body\",%s", field);
	ok = ok && all != NULL && strstr(buf_str(&detail), want) != NULL;
	if (!ok)
		printf("# %s -> %s\n", body, buf_str(&detail));
	json_decref(all);
	buf_fini(&detail);
	return ok;
}

static void
bodies(void)
{
	static const char whole[] =
	    "{\"code\":\"1\",\"context_id\":null,\"language\":\"\","
	    "\"env_vars\":{\"A\":\"b\"},\"more\":1}";
	struct execute x;
	struct buf detail;
	char *language, *cwd;

	buf_init(&detail, 10000);
	CHECK(execute_read(&x, whole, strlen(whole), &detail) == 0 &&
	      jv_is(x.code, "1") && x.context_id == NULL &&
	      x.language == NULL && x.vars.n == 1);
	execute_fini(&x);
	CHECK(context_read(&language, &cwd, "{\"cwd\":\"/x\"}", 12, &detail) ==
		  0 &&
	      language == NULL && strcmp(cwd, "/x") == 0);
	free(cwd);
	CHECK(context_read(&language, &cwd, "{\"cwd\":\"/x\",\"language\":2}",
		  25, &detail) < 0 &&
	      cwd == NULL);
	buf_fini(&detail);
	CHECK(refuses("{}", "\"code\""));
	CHECK(refuses("{\"code\":[\"\xff\"]}", "\"code\""));
	CHECK(refuses("{\"code\":\"\",\"language\":{}}", "\"language\""));
	CHECK(refuses("{\"code\":\"\",\"env_vars\":7}", "\"env_vars\""));
	CHECK(refuses("{\"code\":\"\",\"env_vars\":{\"\\u00e9\":7}}",
	    "\"env_vars\",\"\\u00e9\""));
	CHECK(refuses("{\"code\":", "8"));
}

int
main(void)
{
	accepted();
	looked_at();
	written();
	events();
	names();
	snippets();
	lists();
	bodies();
	return t_end();
}
