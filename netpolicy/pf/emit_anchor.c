/* emit_anchor.c - one sandbox's anchor: its tables, and the rules. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/own.h"
#include "pf/emit.h"
#include "pf/emit_int.h"

enum { RANGE_PREFIXES = 254, PORTS_A_LINE = 8 };

struct anchor {
	struct pf_out o;
	const struct pf_conf *c;
	const struct pf_slot *s;
};

/* --- tables --------------------------------------------------------------- */

const char *pf_table_name(enum np_class class)
{
	static const char *const names[] = { [NP_WHOLE] = "ok",
		[NP_BUT] = "but",
		[NP_ONLY] = "only",
		[NP_NCLASSES] = "none" };

	return names[class];
}

static bool
has_class(const struct np_ok *ok, enum np_class class)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].class == class)
			return true;
	return false;
}

bool
pf_has_table(
    const struct pf_conf *c, const struct np_reach *r, enum np_class class)
{
	if (r == NULL)
		return false;
	/* What has no ports is the one table that most slots have */
	return class == NP_WHOLE || has_class(&r->ok4, class) ||
	       (c->v6 && has_class(&r->ok6, class));
}

static int
add_range(struct pf_addrs *a, const struct np_ok_range *r, enum np_family f,
    struct err *e)
{
	struct np_prefix parts[RANGE_PREFIXES];
	size_t n = np_range_prefixes(r->range, f, parts, countof(parts));

	if (a->n + n > a->cap) {
		size_t cap = 2 * a->cap + RANGE_PREFIXES;
		struct np_prefix *v = realloc(a->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu addresses", cap);
		a->v = v;
		a->cap = cap;
	}
	for (size_t i = 0; i < n && i < countof(parts); i++)
		a->v[a->n++] = parts[i];
	return 0;
}

static int
add_family(struct pf_addrs *a, const struct np_ok *ok, enum np_class class,
    struct err *e)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].class == class &&
		    add_range(a, &ok->v[i], ok->family, e) < 0)
			return -1;
	return 0;
}

int
pf_table_addrs(const struct pf_conf *c, const struct np_reach *r,
    enum np_class class, struct pf_addrs *out, struct err *e)
{
	struct pf_addrs a = { .n = 0 };

	*out = a;
	if (r == NULL)
		return 0;
	if (add_family(&a, &r->ok4, class, e) < 0 ||
	    (c->v6 && add_family(&a, &r->ok6, class, e) < 0)) {
		free(a.v);
		return -1;
	}
	*out = a;
	return 0;
}

static void
say_range(struct pf_out *o, const struct np_ok_range *r, enum np_family f,
    const struct np_site *site)
{
	char text[NP_PREFIX_TEXT], why[NP_ORIGIN_TEXT];
	struct np_prefix v[RANGE_PREFIXES];
	size_t n = np_range_prefixes(r->range, f, v, countof(v));

	np_origin_text(r->origin, site, why);
	for (size_t i = 0; i < n && i < countof(v); i++)
		pf_say(o, "\t%s # %s\n", np_prefix_text(&v[i], text), why);
}

static void
say_family(struct pf_out *o, const struct np_ok *ok, enum np_class class,
    const struct np_site *site)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].class == class)
			say_range(o, &ok->v[i], ok->family, site);
}

static void
say_table(struct anchor *a, enum np_class class, const struct np_site *site)
{
	const struct np_reach *r = a->s->reach;
	bool v6 = a->c->v6 && has_class(&r->ok6, class);

	pf_say(&a->o, "table <%s> persist {", pf_table_name(class));
	/* Without braces the table would keep what an earlier load put in. */
	if (has_class(&r->ok4, class) || v6) {
		pf_say(&a->o, "\n");
		say_family(&a->o, &r->ok4, class, site);
		if (v6)
			say_family(&a->o, &r->ok6, class, site);
	} else {
		pf_say(&a->o, " ");
	}
	pf_say(&a->o, "}\n\n");
}

/* --- the rules of every slot ---------------------------------------------- */

static void
redirect(struct anchor *a, const char *family, struct np_addr from,
    struct np_addr to, const char *host)
{
	static const char *const protos[] = { "udp", "tcp" };
	char src[NP_ADDR_TEXT], dst[NP_ADDR_TEXT];

	np_addr_text(from, src);
	np_addr_text(to, dst);
	for (size_t i = 0; i < countof(protos); i++)
		pf_say(&a->o,
		    "rdr on cop%u %s proto %s from %s to %s port 53 "
		    "tag COPPICE_DNS -> %s port %u\n",
		    a->s->slot, family, protos[i], src, dst, host,
		    a->c->resolver_port);
}

/* Of one slot alone: who sends from another address has no resolver. */
static void
resolver(struct anchor *a)
{
	char host[NP_ADDR_TEXT];

	redirect(a, "inet", a->s->sb4, a->c->resolver4, "127.0.0.1");
	/* Not to ::1, which pf cannot: the host has this address on lo0 */
	if (a->c->v6)
		redirect(a, "inet6", a->s->sb6, a->c->resolver6,
		    np_addr_text(a->c->resolver6, host));
	pf_say(&a->o, "\n");
}

static void
spoof(struct anchor *a)
{
	unsigned slot = a->s->slot;
	char text[NP_ADDR_TEXT];

	pf_say(&a->o,
	    "block drop in quick on cop%u inet from ! %s to any "
	    "label \"coppice:sb%u:spoof\"\n",
	    slot, np_addr_text(a->s->sb4, text), slot);
	/* `! SRC4` alone would let every IPv6 source through */
	if (a->c->v6)
		pf_say(&a->o,
		    "block drop in quick on cop%u inet6 from ! %s to any "
		    "label \"coppice:sb%u:spoof6\"\n",
		    slot, np_addr_text(a->s->sb6, text), slot);
	else
		pf_say(&a->o,
		    "block drop in quick on cop%u inet6 all "
		    "label \"coppice:sb%u:spoof6\"\n",
		    slot, slot);
}

/* Its own limit: a `rdr pass` would have none, and states of any interface */
static void
names(struct anchor *a)
{
	pf_say(&a->o,
	    "pass in quick on cop%u all tagged COPPICE_DNS "
	    "keep state (max %u, if-bound) label \"coppice:sb%u:dns\"\n",
	    a->s->slot, a->c->max_flows, a->s->slot);
}

/* --- what may be reached -------------------------------------------------- */

/* The policy has no ports: one rule, one table. */
static void
pass_addresses(struct anchor *a)
{
	pf_say(&a->o,
	    "pass in quick on cop%u from any to <ok> tag COPPICE "
	    "keep state (max %u, if-bound) label \"coppice:sb%u:allowed\"\n",
	    a->s->slot, a->c->max_flows, a->s->slot);
}

static bool
is_about(const struct np_port_box *b, uint8_t proto)
{
	return b->proto_lo <= proto && proto <= b->proto_hi;
}

/* Does the list have all of that protocol's ports? */
static bool
takes_all(const struct np_ports *p, uint8_t proto)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_about(&p->v[i], proto) && p->v[i].lo == 0 &&
		    p->v[i].hi == UINT16_MAX)
			return true;
	return false;
}

static bool
takes_some(const struct np_ports *p, uint8_t proto)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_about(&p->v[i], proto))
			return true;
	return false;
}

/* " port { 80 8000:8080 }", in short lines */
static void
say_ports(struct pf_out *o, const struct np_ports *p, uint8_t proto)
{
	size_t n = 0;

	pf_say(o, " port {");
	for (size_t i = 0; i < p->n; i++) {
		const struct np_port_box *b = &p->v[i];

		if (!is_about(b, proto))
			continue;
		pf_say(o, "%s", n > 0 && n % PORTS_A_LINE == 0 ? "\n\t" : " ");
		if (b->lo == b->hi)
			pf_say(o, "%u", b->lo);
		else
			pf_say(o, "%u:%u", b->lo, b->hi);
		n++;
	}
	pf_say(o, " }");
}

static const char *
proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

/* Marks what may go; one rule further down passes what is marked. */
static void
mark(struct anchor *a, enum np_class class, const struct np_ports *p,
    uint8_t proto)
{
	const char *table = pf_table_name(class);

	if (!takes_some(p, proto))
		return;
	pf_say(&a->o, "match in on cop%u proto %s from any to <%s>", a->s->slot,
	    proto_name(proto), table);
	if (!takes_all(p, proto))
		say_ports(&a->o, p, proto);
	pf_say(&a->o, " tag COPPICE label \"coppice:sb%u:%s-%s\"\n", a->s->slot,
	    table, proto_name(proto));
}

static void
mark_all(struct anchor *a, enum np_class class)
{
	pf_say(&a->o,
	    "match in on cop%u from any to <%s> tag COPPICE "
	    "label \"coppice:sb%u:%s\"\n",
	    a->s->slot, pf_table_name(class), a->s->slot, pf_table_name(class));
}

/*
 * pf cannot say "every protocol but": 0 is no protocol of its own, and the
 * other 253 would be a rule each.  So what of a protocol with ports is not
 * marked by now goes no further, fragments without ports included, and the
 * last rule is for the rest.
 */
static void
mark_but(struct anchor *a, const struct np_ports *p)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (size_t i = 0; i < countof(protos); i++) {
		if (takes_all(p, protos[i]))
			continue;
		mark(a, NP_BUT, p, protos[i]);
		pf_say(&a->o,
		    "block return in log quick on cop%u proto %s from any to "
		    "<%s> "
		    "! tagged COPPICE label \"coppice:sb%u:not-%s\"\n",
		    a->s->slot, proto_name(protos[i]), pf_table_name(NP_BUT),
		    a->s->slot, proto_name(protos[i]));
	}
	mark_all(a, NP_BUT);
}

/*
 * A list is a rule for each of its members, and `max` counts for each rule:
 * with one rule that keeps state, the limit is the sandbox's.
 */
static void
pass_ports(struct anchor *a)
{
	const struct np_reach *r = a->s->reach;

	mark_all(a, NP_WHOLE);
	if (pf_has_table(a->c, r, NP_ONLY)) {
		mark(a, NP_ONLY, &r->ports[NP_ONLY], IPPROTO_TCP);
		mark(a, NP_ONLY, &r->ports[NP_ONLY], IPPROTO_UDP);
	}
	if (pf_has_table(a->c, r, NP_BUT))
		mark_but(a, &r->ports[NP_BUT]);
	pf_say(&a->o,
	    "pass in quick on cop%u all tagged COPPICE "
	    "keep state (max %u, if-bound) label \"coppice:sb%u:allowed\"\n",
	    a->s->slot, a->c->max_flows, a->s->slot);
}

static void
say_rules(struct anchor *a)
{
	const struct np_reach *r = a->s->reach;

	resolver(a);
	spoof(a);
	names(a);
	if (pf_has_table(a->c, r, NP_BUT) || pf_has_table(a->c, r, NP_ONLY))
		pass_ports(a);
	else
		pass_addresses(a);
	pf_say(&a->o,
	    "block return in log quick on cop%u all "
	    "label \"coppice:sb%u:denied\"\n",
	    a->s->slot, a->s->slot);
}

/* --- the text ------------------------------------------------------------- */

int
pf_emit_rules(struct buf *b, const struct pf_conf *c, const struct pf_slot *s,
    struct err *e)
{
	struct anchor a = { { b, 0 }, c, s };

	if (s->reach != NULL)
		say_rules(&a);
	return pf_said(&a.o, e);
}

int
pf_emit_anchor(struct buf *b, const struct pf_conf *c, const struct pf_slot *s,
    const struct np_site *site, struct err *e)
{
	static const enum np_class classes[] = { NP_WHOLE, NP_BUT, NP_ONLY };
	struct anchor a = { { b, 0 }, c, s };

	if (s->reach == NULL) {
		pf_say(&a.o, "# closed: what no anchor passes is dropped\n");
		return pf_said(&a.o, e);
	}
	for (size_t i = 0; i < countof(classes); i++)
		if (pf_has_table(c, s->reach, classes[i]))
			say_table(&a, classes[i], site);
	say_rules(&a);
	return pf_said(&a.o, e);
}
