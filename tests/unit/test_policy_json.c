#include "t.h"

#include <string.h>

#include "json/policy_json.h"

struct row {
	const char *body;
	bool is_create;
	enum err_kind kind; /* ERR_NONE: accepted */
	const char *where, *msg;
};

#define NAMES                                                                  \
	"When specifying allowed domains in allow out, you must include "      \
	"'ALL_TRAFFIC' in deny out to block all other traffic."

static const struct row rows[] = {
	/* absent, null and [] are one */
	{ "{}", false, ERR_NONE, "", "" },
	{ "null", true, ERR_NONE, "", "" },
	{ "{\"allowOut\":null,\"denyOut\":null}", false, ERR_NONE, "", "" },
	{ "{\"allowOut\":[],\"denyOut\":[]}", false, ERR_NONE, "", "" },
	{ "{\"rules\":null,\"egressProxy\":null}", false, ERR_NONE, "", "" },
	{ "{\"rules\":{}}", false, ERR_NONE, "", "" },
	{ "{\"nonsense\":[1]}", false, ERR_NONE, "", "" },
	{ "{\"denyOut\":[\"1.1.1.1\",\"1.1.1.1\",\"1.0.0.0/8\"]}", false,
	    ERR_NONE, "", "" },
	/* types come first */
	{ "[]", false, ERR_INVALID, "",
	    "Error when parsing request: the body is not an object" },
	{ "true", true, ERR_NONE, "", "" },
	{ "true", false, ERR_INVALID, "",
	    "Error when parsing request: the body is not an object" },
	{ "1", true, ERR_INVALID, "/network",
	    "Error when parsing request: /network is not an object" },
	{ "{\"ports\":[{}]}", true, ERR_INVALID, "/network/ports/0/port",
	    "/network/ports/0/port: nothing is not a port from 1 to 65535 or "
	    "a range like \"8000-8100\"" },
	{ "{\"ports\":[{\"port\":0,\"access\":\"deny\"}]}", false, ERR_INVALID,
	    "/ports/0/port",
	    "/ports/0/port: 0 is not a port from 1 to 65535 or a range like "
	    "\"8000-8100\"" },
	{ "{\"ports\":[{\"port\":\"9-8\",\"access\":\"deny\"}]}", false,
	    ERR_INVALID, "/ports/0/port",
	    "/ports/0/port: \"9-8\" is not a port from 1 to 65535 or a range "
	    "like \"8000-8100\"" },
	{ "{\"ports\":[{\"port\":9}]}", false, ERR_INVALID, "/ports/0/access",
	    "/ports/0/access: nothing is not \"allow\" or \"deny\"" },
	{ "{\"denyOut\":\"1.1.1.1\"}", false, ERR_INVALID, "/denyOut",
	    "Error when parsing request: /denyOut is not an array of "
	    "strings" },
	{ "{\"denyOut\":[\"x\"],\"allowOut\":[1]}", true, ERR_INVALID,
	    "/network/allowOut/0",
	    "Error when parsing request: /network/allowOut/0 is not a "
	    "string" },
	{ "{\"denyOut\":[\"1.1.1.1\\u0000/8\"]}", false, ERR_INVALID,
	    "/denyOut/0",
	    "Error when parsing request: /denyOut/0 is not text: it holds a "
	    "NUL" },
	{ "{\"rules\":[]}", false, ERR_INVALID, "/rules",
	    "Error when parsing request: /rules is not an object" },
	{ "{\"allowPublicTraffic\":1}", true, ERR_INVALID,
	    "/network/allowPublicTraffic",
	    "Error when parsing request: /network/allowPublicTraffic is not "
	    "a boolean" },
	{ "{\"allowPublicTraffic\":1}", false, ERR_NONE, "", "" },
	/* then denyOut, then allowOut, then names, then features */
	{ "{\"allowOut\":[\"::\"],\"denyOut\":[\"1.1.1.1\",\"a.b\"]}", false,
	    ERR_INVALID, "/denyOut/1", "invalid denied CIDR a.b" },
	{ "{\"allowOut\":[\"a.b\",\"::\"]}", false, ERR_INVALID, "/allowOut/1",
	    "invalid allowed address ::" },
	{ "{\"allowOut\":[\"1.1.1.1\",\"a.b\"],\"egressProxy\":{}}", true,
	    ERR_INVALID, "/network/allowOut/1", NAMES },
	{ "{\"egressProxy\":{},\"rules\":{\"a.b\":[]}}", true, ERR_FORBIDDEN,
	    "/network/egressProxy",
	    "Egress proxy (network.egressProxy) is not enabled for this "
	    "team." },
	{ "{\"egressProxy\":{\"address\":\"a:1\"}}", false, ERR_FORBIDDEN,
	    "/egressProxy",
	    "Egress proxy (egressProxy) is not enabled for this team." },
	{ "{\"rules\":{\"a.b\":[]}}", false, ERR_INVALID, "/rules",
	    "Network transform rules are not available for your team." },
};

static void
test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		json_t *v =
		    json_loads(r->body, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		struct np_policy p;
		struct err e = { 0 };
		int rc = np_policy_from_json(v, r->is_create, &p, &e);
		unsigned failed = t_failed;

		CHECK(v != NULL);
		CHECK((rc == 0) == (r->kind == ERR_NONE));
		CHECK(e.kind == r->kind);
		CHECK(strcmp(e.where, r->where) == 0);
		CHECK(strcmp(e.msg, r->msg) == 0);
		if (t_failed != failed)
			printf("# %s: at %s: %s\n", r->body, e.where, e.msg);
		if (rc < 0)
			CHECK(p.allow.v == NULL && p.deny.v == NULL);
		np_policy_fini(&p);
		json_decref(v);
	}
}

static void
test_too_many(void)
{
	json_t *list = json_array(), *v = json_object();
	struct np_policy p;
	struct err e = { 0 };

	for (int i = 0; i < NP_LIST_MAX; i++)
		(void)json_array_append_new(list, json_string("8.8.8.8"));
	(void)json_object_set_new(v, "allowOut", list);
	CHECK(np_policy_from_json(v, true, &p, &e) == 0);
	CHECK(p.allow.n == NP_LIST_MAX);
	np_policy_fini(&p);
	(void)json_array_append_new(list, json_string("8.8.8.8"));
	CHECK(np_policy_from_json(v, true, &p, &e) < 0);
	CHECK(strcmp(e.msg, "allowOut has 10001 entries: at most 10000 are "
			    "allowed") == 0);
	CHECK(strcmp(e.where, "/network/allowOut") == 0);
	json_decref(v);
}

static bool
internet(const char *body, bool *no, struct err *e)
{
	json_t *v = json_loads(body, 0, NULL);
	struct np_policy p = { 0 };
	int rc = np_internet_from_json(v, &p, e);

	*no = p.no_internet;
	json_decref(v);
	return rc == 0;
}

static void
test_internet(void)
{
	struct err e = { 0 };
	bool no;

	CHECK(internet("{}", &no, &e) && !no);
	CHECK(internet("{\"allow_internet_access\":null}", &no, &e) && !no);
	CHECK(internet("{\"allow_internet_access\":true}", &no, &e) && !no);
	CHECK(internet("{\"allow_internet_access\":false}", &no, &e) && no);
	CHECK(!internet("{\"allow_internet_access\":\"no\"}", &no, &e));
	CHECK(strcmp(e.where, "/allow_internet_access") == 0);
}

int
main(void)
{
	test_rows();
	test_too_many();
	test_internet();
	return t_end();
}
