#include "t.h"

#include <string.h>

#include "policy.h"

#define SENTENCE                                                               \
	"When specifying allowed domains in allow out, you must include "      \
	"'ALL_TRAFFIC' in deny out to block all other traffic."

static bool
denies(const char *entry, const char *msg)
{
	struct np_policy p;
	struct err e = { 0 };
	int rc;

	np_policy_init(&p);
	rc = np_policy_deny(&p, entry, 0, &e);
	np_policy_fini(&p);
	if (msg == NULL)
		return rc == 0;
	if (rc == 0 || strcmp(e.msg, msg) != 0)
		printf("# deny %s: %s\n", entry, e.msg);
	return rc < 0 && e.kind == ERR_INVALID && e.where[0] == '\0' &&
	       strcmp(e.msg, msg) == 0;
}

static bool
allows(const char *entry, const char *msg)
{
	struct np_policy p;
	struct err e = { 0 };
	int rc;

	np_policy_init(&p);
	rc = np_policy_allow(&p, entry, 0, &e);
	np_policy_fini(&p);
	if (msg == NULL)
		return rc == 0;
	if (rc == 0 || strcmp(e.msg, msg) != 0)
		printf("# allow %s: %s\n", entry, e.msg);
	return rc < 0 && e.kind == ERR_INVALID && strcmp(e.msg, msg) == 0;
}

static void
test_messages(void)
{
	static const char *const good[] = { "1.1.1.1", "10.1.2.3/8",
		"0.0.0.0/0", "1.2.3.4/0", "0.1.2.3/8", "2001:db8::1",
		"2001:db8::/32", "::1", "::ffff:1.2.3.4", "255.255.255.255",
		"255.255.255.255/32", "128.0.0.0/1" };
	static const char *const bad[] = { "", "0.0.0.0", "0.0.0.0/1",
		"0.0.0.0/8", "0.0.0.0/32", "::", "::/0", "::/128",
		"::ffff:0.0.0.0", "0.0.0.0/00", "010.0.0.1", "0x7f.1",
		"2130706433", "1.2.3", "10.0.0.0/33", "10.0.0/8", " 1.1.1.1",
		"1.1.1.1 ", "http://x/", "fe80::1%eth0", "1.1.1.1; flush",
		"${}", "\"", "a b", "1.1.1.1/", "/", "1.1.1.1/8/8" };
	char want[128];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK(denies(good[i], NULL));
		CHECK(allows(good[i], NULL));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(
		    want, sizeof(want), "invalid denied CIDR %s", bad[i]);
		CHECK(denies(bad[i], want));
		(void)snprintf(
		    want, sizeof(want), "invalid allowed address %s", bad[i]);
		CHECK(allows(bad[i], want));
	}
	CHECK(denies("example.org", "invalid denied CIDR example.org"));
	CHECK(denies("*", "invalid denied CIDR *"));
	CHECK(allows("example.org", NULL));
	CHECK(allows("*.example.org", NULL));
	CHECK(allows("b\xc3\xbc"
		     "cher.de",
	    "invalid allowed address b\xc3\xbc"
	    "cher.de: write a name outside "
	    "ASCII in its xn-- form"));
	CHECK(denies("1.1.1.1\nx", "invalid denied CIDR 1.1.1.1?x"));
}

/* Cut between characters, and one line whatever it was. */
static void
test_long(void)
{
	char entry[1024], want[256];
	struct np_policy p;
	struct err e = { 0 };

	memset(entry, 'a', sizeof(entry));
	entry[500] = '\0';
	(void)snprintf(
	    want, sizeof(want), "invalid denied CIDR %.160s...", entry);
	CHECK(denies(entry, want));
	memcpy(entry + 159, "\xc3\xbc", 2);
	(void)snprintf(
	    want, sizeof(want), "invalid denied CIDR %.159s...", entry);
	CHECK(denies(entry, want));

	np_policy_init(&p);
	for (uint32_t i = 0; i < NP_LIST_MAX; i++)
		CHECK(np_policy_deny(&p, "1.1.1.1", i, &e) == 0);
	CHECK(np_policy_deny(&p, "1.1.1.1", NP_LIST_MAX, &e) < 0);
	CHECK(strcmp(e.msg, "denyOut has more than 10000 entries: at most "
			    "10000 are allowed") == 0);
	CHECK(p.deny.n == NP_LIST_MAX);
	for (uint32_t i = 0; i < NP_NAME_MAX; i++)
		CHECK(np_policy_allow(&p, "a.example", i, &e) == 0);
	CHECK(np_policy_allow(&p, "a.example", NP_NAME_MAX, &e) < 0);
	CHECK(strcmp(e.msg, "allowOut has more than 1024 names: at most 1024 "
			    "are allowed") == 0);
	np_policy_fini(&p);
}

static void
test_names(void)
{
	struct np_policy p;
	struct err e = { 0 };

	np_policy_init(&p);
	CHECK(np_policy_allow(&p, "1.1.1.1", 0, &e) == 0);
	CHECK(np_policy_allow(&p, "example.org", 1, &e) == 0);
	CHECK(np_policy_allow(&p, "example.com", 2, &e) == 0);
	CHECK(p.has_name && p.first_name == 1 && p.nnames == 2);
	CHECK(np_policy_finish(&p, &e) < 0);
	CHECK(e.kind == ERR_INVALID && strcmp(e.msg, SENTENCE) == 0);
	CHECK(np_policy_deny(&p, "0.0.0.0/1", 0, &e) < 0);
	CHECK(np_policy_deny(&p, "128.0.0.0/1", 1, &e) == 0);
	CHECK(np_policy_deny(&p, "1.2.3.4/0", 2, &e) == 0);
	CHECK(np_policy_finish(&p, &e) < 0);
	CHECK(strcmp(e.msg, SENTENCE) == 0);
	CHECK(np_policy_deny(&p, "0.0.0.0/0", 3, &e) == 0);
	CHECK(p.deny_all);
	CHECK(np_policy_finish(&p, &e) < 0);
	CHECK(e.kind == ERR_UNSUPPORTED);
	np_policy_fini(&p);

	CHECK(np_policy_finish(&p, &e) == 0);
}

int
main(void)
{
	test_messages();
	test_long();
	test_names();
	return t_end();
}
