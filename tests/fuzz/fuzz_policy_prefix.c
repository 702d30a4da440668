/*
 * Text that is an address prints as text that is the same one, inet_pton()
 * takes exactly the same texts, and an entry is an address or a name, never
 * both.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/prefix.h"
#include "explain.h"
#include "policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_addr(const char *s)
{
	struct np_addr a, b;
	char text[NP_ADDR_TEXT];
	uint8_t raw[16];
	bool known =
	    inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;

	must((np_addr_parse(s, &a) == 0) == known);
	if (!known)
		return;
	must(np_addr_parse(np_addr_text(a, text), &b) == 0);
	must(a.n == b.n && a.family == b.family);
	must(a.n <= np_last(a.family));
}

static void
check_prefix(const char *s)
{
	struct np_prefix p, q, parts[2];
	char text[NP_PREFIX_TEXT], rtext[NP_RANGE_TEXT];
	struct np_range r;

	if (np_prefix_parse(s, &p) < 0)
		return;
	r = np_prefix_range(&p);
	must(r.lo == p.addr && r.hi >= r.lo && r.hi <= np_last(p.family));
	must(np_range_prefixes(r, p.family, parts, 2) == 1);
	must(parts[0].addr == p.addr && parts[0].len == p.len);
	np_prefix_text(&p, text);
	must(strcmp(np_range_text(r, p.family, rtext), text) == 0);
	/* ::/0 and what is around the mapped range stay as they are */
	must(np_prefix_parse(text, &q) == 0);
	must(q.addr == p.addr && q.len == p.len && q.family == p.family);
	must(!np_name_pattern_ok(s));
}

static void
check_entry(const char *s)
{
	struct np_policy p;
	struct err e = { 0 };
	int denied, allowed;

	np_policy_init(&p);
	denied = np_policy_deny(&p, s, 0, &e);
	must(denied == 0 || strncmp(e.msg, "invalid denied CIDR ", 20) == 0);
	allowed = np_policy_allow(&p, s, 0, &e);
	must(allowed == 0 ||
	     strncmp(e.msg, "invalid allowed address ", 24) == 0);
	must(denied < 0 || (allowed == 0 && !p.has_name));
	must(allowed < 0 || denied == 0 || p.has_name);
	np_policy_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct np_flow f;
	struct err e = { 0 };
	char *s = malloc(n + 1);

	if (s == NULL)
		return 0;
	memcpy(s, data, n);
	s[n] = '\0';
	check_addr(s);
	check_prefix(s);
	check_entry(s);
	if (np_flow_parse(s, &f, &e) < 0)
		must(e.kind == ERR_INVALID);
	free(s);
	return 0;
}
