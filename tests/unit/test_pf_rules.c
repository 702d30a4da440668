/* The model by hand: pf's semantics one by one, and what its parser refuses. */
#include <netinet/in.h>

#include "base/own.h"
#include "pf/model.h"
#include "t.h"

static const struct pfm_if ifs[] = {
	{ "cop7", "coppice", { 0 }, { 0 } },
	{ "cop8", "coppice", { 0 }, { 0 } },
	{ "em0", NULL, { 0xcb007105, NP_V4 }, { 0 } },
	{ "lo0", NULL, { 0x7f000001, NP_V4 }, { 0 } },
};

static struct pfm_text
text_of(const char *name, const char *text)
{
	return (struct pfm_text){ name, text, strlen(text) };
}

static struct pf_model *
model(const char *root, const char *anchor, const char *other)
{
	struct pfm_text t = text_of("", root);
	struct err e = { 0 };
	struct pf_model *m;

	CHECK(pf_model_new(&m, 15, ifs, countof(ifs), &t, &e) == 0);
	if (m == NULL) {
		printf("# %s at %s\n", e.msg, e.where);
		exit(1);
	}
	t = text_of("coppice/sb7", anchor == NULL ? "" : anchor);
	CHECK(pf_model_load(m, &t, &e) == 0);
	t = text_of("coppice/sb8", other == NULL ? "" : other);
	CHECK(pf_model_load(m, &t, &e) == 0);
	if (e.msg[0] != '\0')
		printf("# %s at %s\n", e.msg, e.where);
	return m;
}

static struct pfm_packet
packet(const char *ifname, const char *dst)
{
	struct pfm_packet p = { .ifname = ifname,
		.dir = PFM_IN,
		.src = { 0x0a4e000f, NP_V4 },
		.proto = IPPROTO_TCP,
		.sport = 4000,
		.dport = 443 };

	CHECK(np_addr_parse(dst, &p.dst) == 0);
	return p;
}

/* What becomes of the packet: a letter, and the label of the rule. */
static const char *
says(const struct pf_model *m, const struct pfm_packet *p)
{
	static char text[PFM_LABEL + 8];
	struct pfm_judged j;

	pf_model_judge(m, p, &j);
	(void)snprintf(text, sizeof(text), "%s %s",
	    j.by_state ? "state"
	    : j.pass   ? "pass"
	    : j.ret    ? "return"
		       : "drop",
	    j.label);
	return text;
}

static bool
is(const struct pf_model *m, const char *ifname, const char *dst,
    const char *want)
{
	struct pfm_packet p = packet(ifname, dst);
	const char *got = says(m, &p);

	if (strcmp(got, want) == 0)
		return true;
	printf("# %s to %s: %s, not %s\n", ifname, dst, got, want);
	return false;
}

static void
test_order(void)
{
	struct pf_model *m = model(
	    "block drop in all label \"a\"\n"
	    "pass in on em0 from any to 1.0.0.0/8 label \"b\"\n"
	    "block return in quick on em0 from any to 1.1.0.0/16 label \"c\"\n"
	    "pass in quick from any to 1.1.1.1 label \"d\"\n"
	    "block in from any to 1.2.0.0/16 label \"e\"\n",
	    NULL, NULL);

	CHECK(is(m, "em0", "1.9.9.9", "pass b")); /* the last that matches */
	CHECK(
	    is(m, "em0", "1.1.1.1", "return c")); /* but for the first quick */
	CHECK(is(m, "cop7", "1.1.1.1", "pass d"));
	CHECK(is(m, "em0", "1.2.3.4", "drop e")); /* `block` drops */
	CHECK(is(m, "em0", "9.9.9.9", "drop a"));
	pf_model_free(m);
	m = model("block in on em0 all label \"a\"\n", NULL, NULL);
	CHECK(is(m, "cop7", "9.9.9.9", "pass ")); /* and nobody else says no */
	pf_model_free(m);
}

static void
reload(struct pf_model *m, const char *text)
{
	struct pfm_text t = { "coppice/sb7", text, strlen(text) };
	struct err e;

	CHECK(pf_model_load(m, &t, &e) == 0);
}

/* Braces that hold nothing empty a table; without any it stays as it is. */
static void
test_tables_again(void)
{
	static const char rules[] = "pass in quick from any to <t>\n";
	struct pf_model *m = model("anchor \"coppice/*\" in on coppice\n"
				   "block in quick all label \"no\"\n",
	    "table <t> persist { 1.0.0.0/8 }\npass in quick from any to <t>\n",
	    NULL);
	char text[128];

	CHECK(is(m, "cop7", "1.2.3.4", "pass "));
	(void)snprintf(text, sizeof(text), "table <t> persist\n%s", rules);
	reload(m, text);
	CHECK(is(m, "cop7", "1.2.3.4", "pass "));
	(void)snprintf(text, sizeof(text), "table <t> persist { }\n%s", rules);
	reload(m, text);
	CHECK(is(m, "cop7", "1.2.3.4", "drop no"));
	pf_model_free(m);
}

static bool
is_logged(const struct pf_model *m, const char *dst)
{
	struct pfm_packet p = packet("cop7", dst);
	struct pfm_judged j;

	pf_model_judge(m, &p, &j);
	return j.logged;
}

static void
test_log(void)
{
	struct pf_model *m =
	    model("block return in log quick from any to 1.0.0.0/8\n"
		  "block return in quick from any to 2.0.0.0/8\n",
		NULL, NULL);

	CHECK(is_logged(m, "1.9.9.9"));
	CHECK(!is_logged(m, "2.9.9.9"));
	CHECK(!is_logged(m, "3.9.9.9"));
	pf_model_free(m);
}

static void
test_tables(void)
{
	struct pf_model *m = model(
	    "table <t> { 1.0.0.0/8, !1.1.0.0/16 1.1.1.1 # why\n !9.9.9.9\n }\n"
	    "table <u> persist { 5.5.5.5 }\n"
	    "anchor \"coppice/*\" in on coppice\n"
	    "pass in from any to <t> label \"t\"\n"
	    "block in quick from any to ! <t> label \"not\"\n",
	    "table <t> { 5.0.0.0/8 2001:db8::/32 }\n"
	    "block return in quick on cop7 from any to <t> label \"own\"\n"
	    "block return in quick on cop7 from any to <u> label \"root\"\n"
	    "block return in quick on cop7 from any to <v> label \"none\"\n",
	    NULL);

	CHECK(is(m, "em0", "1.2.3.4", "pass t"));
	CHECK(is(m, "em0", "1.1.2.3", "drop not")); /* most specific: `!` */
	CHECK(is(m, "em0", "1.1.1.1", "pass t"));
	CHECK(is(m, "em0", "9.9.9.9", "drop not"));
	CHECK(is(m, "em0", "2001:db8::1", "drop not"));
	CHECK(is(m, "cop7", "5.1.1.1", "return own")); /* hides the root's */
	CHECK(is(m, "cop7", "2001:db8::1", "return own"));
	CHECK(is(m, "cop7", "1.1.1.1", "pass t"));
	CHECK(is(m, "cop8", "5.1.1.1", "drop not"));
	pf_model_free(m);
	m = model("table <u> { 5.5.5.5 }\nanchor \"coppice/*\" in on coppice\n",
	    "block in on cop7 from any to <u> label \"root\"\n", NULL);
	CHECK(is(m, "cop7", "5.5.5.5", "drop root"));
	CHECK(is(m, "cop7", "5.5.5.6", "pass "));
	pf_model_free(m);
}

/* What an anchor says stands where it is called; all are, by name. */
static void
test_anchors(void)
{
	struct pf_model *m =
	    model("block in all label \"first\"\n"
		  "anchor \"coppice/*\" in on coppice\n"
		  "block in from any to 9.0.0.0/8 label \"last\"\n",
		"pass in from any to 8.0.0.0/8 label \"seven\"\n"
		"pass in quick from any to 9.9.9.9 label \"quick\"\n"
		"pass in from any to 9.9.9.0/24 label \"slow\"\n",
		"pass in from any to 8.8.0.0/16 label \"eight\"\n");

	CHECK(is(m, "cop7", "8.1.1.1", "pass seven"));
	CHECK(is(m, "cop7", "8.8.1.1", "pass eight")); /* sb8 after sb7 */
	CHECK(is(m, "cop7", "9.9.9.9", "pass quick"));
	CHECK(is(m, "cop7", "9.9.9.1", "drop last"));
	CHECK(is(m, "em0", "8.1.1.1", "drop first"));
	pf_model_free(m);
	m = model(
	    "block in all label \"no\"\nanchor \"coppice/sb8\" in on cop7\n",
	    "pass in all label \"seven\"\n", "pass in all label \"eight\"\n");
	CHECK(is(m, "cop7", "8.1.1.1", "pass eight"));
	pf_model_free(m);
}

static void
test_lists(void)
{
	struct pf_model *m = model(
	    "block in all label \"no\"\n"
	    "pass in proto { tcp, 17 } from any to any port { 80 400:443\n"
	    "\t8080 } label \"some\"\n"
	    "pass in inet6 proto 58 all label \"six\"\n",
	    NULL, NULL);
	struct pfm_packet p = packet("em0", "1.1.1.1");
	static const struct {
		int16_t proto;
		uint16_t port;
		const char *want;
	} cases[] = { { 6, 443, "pass some" }, { 6, 400, "pass some" },
		{ 6, 399, "drop no" }, { 6, 444, "drop no" },
		{ 17, 80, "pass some" }, { 17, 81, "drop no" },
		{ 132, 80, "drop no" }, { 58, 0, "drop no" } };

	for (size_t i = 0; i < countof(cases); i++) {
		p.proto = cases[i].proto;
		p.dport = cases[i].port;
		CHECK(strcmp(says(m, &p), cases[i].want) == 0);
	}
	CHECK(np_addr_parse("2001:db8::1", &p.dst) == 0);
	CHECK(np_addr_parse("2001:db8::2", &p.src) == 0);
	CHECK(strcmp(says(m, &p), "pass six") == 0);
	pf_model_free(m);
}

/* Tags stay, of a rule that does not decide too; one replaces the other. */
static void
test_tags(void)
{
	struct pf_model *m =
	    model("match in from any to 1.0.0.0/8 tag ONE label \"m\"\n"
		  "block in from any to 1.1.0.0/16 tag TWO label \"b\"\n"
		  "pass in quick all tagged ONE label \"one\"\n"
		  "pass in quick all tagged TWO label \"two\"\n"
		  "block in all ! tagged ONE label \"none\"\n",
		NULL, NULL);

	CHECK(is(m, "em0", "1.9.9.9", "pass one"));
	CHECK(is(m, "em0", "1.1.9.9", "pass two"));
	CHECK(is(m, "em0", "2.2.2.2", "drop none"));
	pf_model_free(m);
}

static const char nat_rules[] =
    "set skip on lo0\n"
    "nat on em0 inet from 10.78.0.0/16 to any -> (em0)\n"
    "rdr on cop7 inet proto tcp from 10.78.0.15 to 10.78.0.1 port 53 tag DNS "
    "-> 127.0.0.1 port 5300\n"
    "block in all label \"in\"\n"
    "block in quick from any to (self) ! tagged DNS label \"self\"\n"
    "pass in on cop7 from any to 8.0.0.0/8 tag OUT keep state "
    "(max 2, if-bound) label \"pass\"\n"
    "pass in on cop7 all tagged DNS keep state (if-bound) label \"dns\"\n"
    "block out all label \"out\"\n"
    "pass out on em0 all tagged OUT keep state label \"em0\"\n";

static void
test_states(void)
{
	struct pf_model *m = model(nat_rules, NULL, NULL);
	struct pfm_packet p = packet("cop7", "8.8.8.8"), q, back;
	struct pfm_judged j;
	struct err e = { 0 };

	p.mid = true;
	CHECK(strcmp(says(m, &p), "drop in") == 0); /* no SYN, no state */
	p.mid = false;
	CHECK(pf_model_packet(m, &p, &j, &e) == 0 && j.pass && j.keeps);
	q = p;
	q.ifname = "em0";
	q.dir = PFM_OUT;
	CHECK(strcmp(says(m, &q), "drop out") == 0);
	memcpy(q.tag, j.tag, sizeof(q.tag));
	CHECK(pf_model_packet(m, &q, &j, &e) == 0 && j.pass);
	CHECK(j.src.n == 0xcb007105 && j.sport != p.sport);
	CHECK(pf_model_nstates(m) == 2);
	/* An answer finds both, the other way round */
	back = (struct pfm_packet){ .ifname = "em0",
		.dir = PFM_IN,
		.src = p.dst,
		.dst = j.src,
		.proto = IPPROTO_TCP,
		.sport = 443,
		.dport = j.sport,
		.mid = true };
	pf_model_judge(m, &back, &j);
	CHECK(j.by_state && j.dst.n == p.src.n && j.dport == p.sport);
	back.ifname = "cop7";
	back.dir = PFM_OUT;
	back.dst = j.dst;
	back.dport = j.dport;
	CHECK(strcmp(says(m, &back), "state pass") == 0);
	back.ifname = "cop8"; /* if-bound */
	CHECK(strcmp(says(m, &back), "drop out") == 0);
	q.ifname = "cop8"; /* the uplink's floats */
	CHECK(strcmp(says(m, &q), "state em0") == 0);
	p.mid = true;
	CHECK(strcmp(says(m, &p), "state pass") == 0);
	/* The second fills the rule's share */
	p.mid = false;
	p.sport++;
	CHECK(pf_model_packet(m, &p, &j, &e) == 0 && j.pass);
	p.sport++;
	CHECK(pf_model_packet(m, &p, &j, &e) == 0 && !j.pass && j.too_many);
	pf_model_free(m);
}

static void
test_translation(void)
{
	struct pf_model *m = model(nat_rules, NULL, NULL);
	struct pfm_packet p = packet("cop7", "10.78.0.1");
	struct pfm_judged j;

	CHECK(strcmp(says(m, &p), "drop in") == 0);
	p.dport = 53;
	pf_model_judge(m, &p, &j);
	CHECK(j.pass && j.dst.n == 0x7f000001 && j.dport == 5300);
	CHECK(strcmp(j.label, "dns") == 0);
	p.src.n++;
	CHECK(strcmp(says(m, &p), "drop in") == 0);
	CHECK(is(m, "cop7", "203.0.113.5", "drop self"));
	CHECK(is(m, "cop7", "127.0.0.1", "drop self"));
	CHECK(is(m, "lo0", "9.9.9.9", "pass ")); /* skipped */
	pf_model_free(m);
}

static void
test_kill(void)
{
	struct pf_model *m = model(nat_rules, NULL, NULL);
	struct pfm_kill k = { .ifname = "cop7",
		.family = NP_V4,
		.proto = IPPROTO_UDP,
		.dst = { 0x08080808, NP_V4, 32 },
		.lo = 443,
		.hi = 443 };
	struct pfm_packet p = packet("cop7", "8.8.8.8"), q;
	struct pfm_judged j;
	struct err e = { 0 };

	CHECK(pf_model_packet(m, &p, &j, &e) == 0);
	q = p;
	q.ifname = "em0";
	q.dir = PFM_OUT;
	memcpy(q.tag, j.tag, sizeof(q.tag));
	CHECK(pf_model_packet(m, &q, &j, &e) == 0);
	CHECK(pf_model_kill(m, &k) == 0);
	k.proto = IPPROTO_TCP;
	k.lo = 444;
	k.hi = 500;
	CHECK(pf_model_kill(m, &k) == 0);
	k.lo = 0;
	k.dst.len = 31;
	k.dst.addr = 0x0808080a;
	CHECK(pf_model_kill(m, &k) == 0);
	k.dst.addr = 0x08080808;
	k.ifname = "cop8";
	CHECK(pf_model_kill(m, &k) == 0);
	k.ifname = "cop7";
	k.match = true;
	CHECK(pf_model_kill(m, &k) == 2);
	CHECK(pf_model_nstates(m) == 0);
	pf_model_free(m);
}

/* --- what is refused, and where ------------------------------------------- */

static void
refused(
    const char *text, enum pfm_place place, unsigned freebsd, const char *where)
{
	struct pfm_ruleset rs;
	struct err e = { 0 };

	CHECK(pfm_parse(text, strlen(text), place == PFM_ROOT ? "" : "x", place,
		  freebsd, &rs, &e) < 0);
	CHECK(e.kind == ERR_INVALID && strcmp(e.where, where) == 0);
	if (strcmp(e.where, where) != 0)
		printf("# %s: %s at %s\n", text, e.msg, e.where);
	CHECK(rs.ntables == 0 && rs.filter.v == NULL);
	pfm_ruleset_fini(&rs);
}

static void
test_refusals(void)
{
	static const struct {
		const char *text, *where;
	} root[] = {
		{ "scrub in all\n", "root:1:1" },
		{ "pass in all\n\n  pass sideways all\n", "root:3:8" },
		{ "pass in on em0", "root:1:15" },
		{ "pass in all allow-opts\n", "root:1:13" },
		{ "pass in all label \"a\" label \"b\"\n", "root:1:23" },
		{ "pass in all label a\n", "root:1:19" },
		{ "pass in all label \"a\n\"\n", "root:1:19" },
		{ "pass in all keep state (max 0)\n", "root:1:29" },
		{ "pass in all keep state (sloppy)\n", "root:1:25" },
		{ "block in all keep state\n", "root:1:14" },
		{ "match in quick all\n", "root:1:10" },
		{ "pass in proto 0 all\n", "root:1:15" },
		{ "pass in proto 256 all\n", "root:1:15" },
		{ "pass in proto gre all\n", "root:1:15" },
		{ "block in inet proto icmp all icmp-type echoreq\n",
		    "root:1:40" },
		{ "block in inet proto icmp all icmp-type { }\n", "root:1:42" },
		{ "block in inet proto icmp all icmp-type toobig\n",
		    "root:1:40" },
		{ "block in inet proto icmp all icmp-type 3\n", "root:1:40" },
		{ "block in inet proto icmp all icmp6-type timex\n",
		    "root:1:30" },
		{ "block in inet6 proto icmp all icmp-type timex\n",
		    "root:1:31" },
		{ "block in inet proto tcp all icmp-type timex\n",
		    "root:1:29" },
		{ "block in proto icmp all icmp-type timex\n", "root:1:25" },
		{ "block in inet all icmp-type timex\n", "root:1:19" },
		{ "block in inet proto icmp all icmp-type timex icmp-type "
		  "redir\n",
		    "root:1:46" },
		{ "pass in proto { tcp 47 } from any to any port 80\n",
		    "root:1:42" },
		{ "pass in from any to any port 80\n", "root:1:25" },
		{ "pass in proto tcp from any to any port 80:70\n",
		    "root:1:40" },
		{ "pass in proto tcp from any to any port 65536\n",
		    "root:1:40" },
		{ "pass in proto tcp from any to any port http\n",
		    "root:1:40" },
		{ "pass in proto tcp from any to any port { }\n", "root:1:42" },
		{ "pass in from any to 10.0.0.1/8\n", "root:1:21" },
		{ "pass in from any to 10.0.0.0/33\n", "root:1:30" },
		{ "pass in from any to example.org\n", "root:1:21" },
		{ "pass in inet6 from any to 1.1.1.1\n", "root:1:34" },
		{ "pass in from any to (em0)\n", "root:1:22" },
		{ "table <t> { 1.1.1.1 1.1.1.1 }\n", "root:1:30" },
		{ "table <t>\ntable <t>\n", "root:2:10" },
		{ "table <t> counters\n", "root:1:11" },
		{ "table <t> file \"/etc/passwd\"\n", "root:1:11" },
		{ "table <a234567890123456789012345678901234>\n", "root:1:8" },
		{ "pass in all\nset skip on lo0\n", "root:2:1" },
		{ "pass in all\nrdr-anchor \"coppice/*\"\n", "root:2:1" },
		{ "set limit tables 5\n", "root:1:11" },
		{ "set block-policy return\n", "root:1:5" },
		{ "anchor \"a/b/c\" in on x\n", "root:1:8" },
		{ "anchor \"*\" in on x\n", "root:1:8" },
		{ "anchor \"a/*b\" in on x\n", "root:1:8" },
		{ "anchor \"_a\" in on x\n", "root:1:8" },
		{ "anchor \"a\" out on x\n", "root:1:12" },
		{ "rdr pass on a inet proto tcp from any to 1.1.1.1 port 53 "
		  "tag X -> 2.2.2.2 port 5\n",
		    "root:1:5" },
		{ "rdr on a inet proto tcp from any to 1.1.1.1 tag X -> "
		  "2.2.2.2 port 5\n",
		    "root:1:51" },
		{ "nat on em0 from any to any -> (em0)\n", "root:1:28" },
		{ "nat on em0 inet from any to any -> 1.2.3.4\n", "root:1:36" },
		{ "ext = \"em0\"\n", "root:1:1" },
		{ "pass in on $ext all\n", "root:1:12" },
		{ "pass in \\\n all\n", "root:1:9" },
		{ "include \"/etc/pf.conf\"\n", "root:1:1" },
		{ "pass in all;\n", "root:1:12" },
		{ "pass in all # \x01 is fine\npass \x01\n", "root:2:6" },
	};

	for (size_t i = 0; i < countof(root); i++)
		refused(root[i].text, PFM_ROOT, 15, root[i].where);
	refused("set limit anchors 5\n", PFM_ROOT, 14, "root:1:11");
	refused("set skip on lo0\n", PFM_CHILD, 15, "x:1:1");
	refused("anchor \"a\" in on x\n", PFM_CHILD, 15, "x:1:1");
}

int
main(void)
{
	test_order();
	test_log();
	test_tables_again();
	test_tables();
	test_anchors();
	test_lists();
	test_tags();
	test_states();
	test_translation();
	test_kill();
	test_refusals();
	return t_end();
}
