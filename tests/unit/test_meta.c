/* Query strings, and a metadata filter in all its layers of encoding. */
#include "ctl/api/query.h"

#include <string.h>

#include "base/own.h"
#include "tests/t.h"

static void
filters(void)
{
	static const struct {
		const char *value; /* after HTTP's own decoding */
		const char *names[3], *values[3];
	} cases[] = {
		{ "user=abc", { "user" }, { "abc" } },
		{ "user=abc&app=x", { "user", "app" }, { "abc", "x" } },
		{ "", { NULL }, { NULL } },
		{ "&&a=1&", { "a" }, { "1" } },
		{ "a", { "a" }, { "" } },
		{ "a=b=c", { "a" }, { "b=c" } },
		/* {"k&": "v=1"}: each encoded, and the pairs once more. */
		{ "k%2526=v%253D1", { "k&" }, { "v=1" } },
		/* {"a+b": "c d"} */
		{ "a%252Bb=c%2520d", { "a+b" }, { "c d" } },
		/* {"100%": "\u00e4"} */
		{ "100%2525=%25C3%25A4", { "100%" }, { "\xc3\xa4" } },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct sb_pairs p;
		struct err e;
		size_t n = 0;

		CHECK(query_metadata(cases[i].value, &p, &e) == 0);
		for (; cases[i].names[n] != NULL; n++) {
			const char *v = sb_pairs_get(&p, cases[i].names[n]);

			CHECK(v != NULL && strcmp(v, cases[i].values[n]) == 0);
		}
		CHECK(p.n == n);
		sb_pairs_fini(&p);
	}
}

static void
refused(void)
{
	static const char *const bad[] = { "%", "%zz", "a=%2", "%25zz",
		"a=%2500", "%00" };

	for (size_t i = 0; i < countof(bad); i++) {
		struct sb_pairs p;
		struct err e;

		CHECK(query_metadata(bad[i], &p, &e) < 0);
		CHECK(e.kind == ERR_INVALID && p.n == 0);
	}
}

static void
matches(void)
{
	struct sb_pairs want = { 0 }, have = { 0 };
	struct err e;

	CHECK(query_metadata_match(&want, &have));
	CHECK(sb_pairs_add(&have, "a", "1", &e) == 0);
	CHECK(sb_pairs_add(&have, "b", "2", &e) == 0);
	CHECK(query_metadata_match(&want, &have));
	CHECK(sb_pairs_add(&want, "b", "2", &e) == 0);
	CHECK(query_metadata_match(&want, &have));
	CHECK(sb_pairs_add(&want, "a", "2", &e) == 0);
	CHECK(!query_metadata_match(&want, &have));
	sb_pairs_fini(&want);
	sb_pairs_fini(&have);
}

static int
join(void *ctx, const char *value, struct err *e)
{
	char *to = ctx;

	(void)e;
	(void)strcat(to, value);
	(void)strcat(to, ".");
	return 0;
}

static void
queries(void)
{
	char all[64] = "";
	struct query q;
	struct err e;
	int64_t n;
	bool yes;

	CHECK(
	    query_parse("a=1&b=x%20y+z&a=2,3&c&t=true&%61a=%26", &q, &e) == 0);
	CHECK(strcmp(query_get(&q, "a"), "1") == 0);
	CHECK(strcmp(query_get(&q, "b"), "x y z") == 0);
	CHECK(strcmp(query_get(&q, "c"), "") == 0);
	CHECK(strcmp(query_get(&q, "aa"), "&") == 0);
	CHECK(query_get(&q, "d") == NULL);
	CHECK(query_list(&q, "a", join, all, &e) == 0);
	CHECK(strcmp(all, "1.2.3.") == 0);
	CHECK(query_int(&q, "a", 0, 9, 5, &n, &e) == 0 && n == 1);
	CHECK(query_int(&q, "d", 0, 9, 5, &n, &e) == 0 && n == 5);
	CHECK(query_int(&q, "a", 2, 9, 5, &n, &e) < 0);
	CHECK(query_int(&q, "b", 0, 9, 5, &n, &e) < 0);
	CHECK(query_int(&q, "c", 0, 9, 5, &n, &e) < 0);
	CHECK(query_bool(&q, "t", false, &yes, &e) == 0 && yes);
	CHECK(query_bool(&q, "a", false, &yes, &e) == 0 && yes);
	CHECK(query_bool(&q, "b", false, &yes, &e) < 0);
	query_fini(&q);
	CHECK(query_parse("a=%", &q, &e) < 0);
	CHECK(query_parse("a=%00", &q, &e) < 0);
}

int
main(void)
{
	filters();
	refused();
	matches();
	queries();
	return t_end();
}
