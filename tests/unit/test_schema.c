/* A refusal names the field, the value and the place. */
#include "ctl/api/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/api/create_body.h"
#include "tests/t.h"

struct out {
	int64_t n;
	int calls;
};

static int
take_n(const json_t *v, void *out, struct err *e)
{
	struct out *o = out;

	o->calls++;
	return schema_int(v, 1, 10, &o->n, e);
}

static const struct field inner[] = { { "n", T_INT, true, take_n } };

static int
take_inner(const json_t *v, void *out, struct err *e)
{
	return schema_take(inner, countof(inner), v, out, e);
}

static const struct field fields[] = {
	{ "n", T_INT, true, take_n },
	{ "in", T_OBJECT, false, take_inner },
};

static const struct {
	const char *body, *msg, *where;
} cases[] = {
	{ "{\"n\":1}", NULL, NULL },
	{ "{\"n\":10,\"other\":[]}", NULL, NULL },
	{ "{\"n\":1,\"in\":null}", NULL, NULL },
	{ "{\"n\":1,\"n\":2}", NULL, NULL },
	{ "{}", "validation error: n is missing", "/n" },
	{ "{\"n\":null}", "validation error: n is missing", "/n" },
	{ "{\"n\":true}", "validation error: n must be an integer, not true",
	    "/n" },
	{ "{\"n\":\"1\"}", "validation error: n must be an integer, not \"1\"",
	    "/n" },
	{ "{\"n\":1.0}", "validation error: n must be an integer, not 1.0",
	    "/n" },
	{ "{\"n\":{}}", "validation error: n must be an integer, not an object",
	    "/n" },
	{ "{\"n\":0}", "validation error: n must be between 1 and 10, not 0",
	    "/n" },
	{ "{\"n\":1,\"in\":[]}",
	    "validation error: in must be an object, not an array", "/in" },
	{ "{\"n\":1,\"in\":{\"n\":-5}}",
	    "validation error: n must be between 1 and 10, not -5", "/in/n" },
	{ "{\"n\":"
	  "\"\\u00e4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	    "validation error: n must be an integer, not "
	    "\"\\u00E4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...",
	    "/n" },
};

static void
tables(void)
{
	for (size_t i = 0; i < countof(cases); i++) {
		struct out o = { 0, 0 };
		struct err e = { .kind = ERR_NONE };
		json_t *v = json_loads(cases[i].body, 0, NULL);
		int rc = schema_take(fields, countof(fields), v, &o, &e);

		CHECK((rc == 0) == (cases[i].msg == NULL));
		if (rc < 0 && cases[i].msg != NULL) {
			if (strcmp(e.msg, cases[i].msg) != 0)
				printf("# %s\n# %s\n", e.msg, cases[i].msg);
			CHECK(strcmp(e.msg, cases[i].msg) == 0);
			CHECK(strcmp(e.where, cases[i].where) == 0);
			CHECK(e.kind == ERR_INVALID);
		}
		json_decref(v);
	}
}

static bool
parses(const char *text, size_t n)
{
	struct err e;
	json_t *v = schema_parse(text, n, &e);

	if (v == NULL)
		CHECK(strncmp(e.msg, "Error when parsing request: ", 28) == 0);
	json_decref(v);
	return v != NULL;
}

static void
bodies(void)
{
	char deep[400];

	CHECK(parses("{}", 2));
	CHECK(!parses("", 0));
	CHECK(!parses("[]", 2));
	CHECK(!parses("1", 1));
	CHECK(!parses("{}x", 3));
	CHECK(!parses("{\"a\":\"\0\"}", 9));
	CHECK(!parses("{\"a\":\"\\u0000\"}", 14));
	CHECK(!parses("{\"a\":\"\xc3\"}", 9));
	CHECK(!parses("{\"a\":\"\\ud800\"}", 14));
	CHECK(!parses("{\"a\":1e999}", 11));
	CHECK(!parses("{\"a\":NaN}", 9));
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	memset(deep + 200, ']', 195);
	deep[395] = '}';
	CHECK(!parses(deep, 396));
	/* Brackets in a string are no depth. */
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":\"\\\"", 8);
	memcpy(deep + 396, "\"}", 2);
	CHECK(parses(deep, 398));
}

/* Seed fields, and that E2B's own win over them. */
static void
creates(void)
{
	struct create_body b;
	struct err e;
	json_t *v = json_loads(
	    "{\"templateID\":\"x\",\"timeoutMs\":1500,\"timeout_ms\":9000,"
	    "\"lifecycle\":{\"on_timeout\":\"pause\",\"autoResume\":"
	    "{\"enabled\":true}},\"envVars\":{\"A\":\"\\u00fc\"}}",
	    0, NULL);

	CHECK(create_body_take(v, &b, &e) == 0);
	CHECK(b.timeout_s == 2 && b.auto_pause == SB_YES);
	CHECK(b.auto_resume == SB_YES && b.network.net.json == NULL);
	CHECK(strcmp(b.env_json, "{\"A\":\"\xc3\xbc\"}") == 0);
	create_body_fini(&b);
	json_object_set_new(v, "timeout", json_integer(7));
	json_object_set_new(v, "autoPause", json_false());
	CHECK(create_body_take(v, &b, &e) < 0); /* resume without pause */
	CHECK(strcmp(e.where, "/lifecycle/autoResume") == 0);
	json_object_del(v, "lifecycle");
	CHECK(create_body_take(v, &b, &e) == 0);
	CHECK(b.timeout_s == 7 && b.auto_pause == SB_NO);
	create_body_fini(&b);
	json_decref(v);
}

int
main(void)
{
	tables();
	bodies();
	creates();
	return t_end();
}
