#include "pf/emit.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"

#define NET4 ((np_u128)0x0a4e0000)
#define NET6 ((np_u128)0xfd77 << 112)

enum { RESOLVER_PORT = 5300, UPLINK_MAX = 15, RANGE_PREFIXES = 254 };

/* The first failure is kept; what follows says nothing. */
struct out {
	struct buf *b;
	int rc;
};

static void PRINTF(2, 3) say(struct out *o, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (o->rc == 0)
		o->rc = buf_puts(o->b, line);
}

static int
finish(const struct out *o, struct err *e)
{
	if (o->rc < 0)
		return err_set(
		    e, ERR_TOOBIG, "pf text is over %zu bytes", o->b->max);
	return 0;
}

void
pf_conf_default(struct pf_conf *c)
{
	*c = (struct pf_conf){
		.uplink = "vtnet0",
		.freebsd = 15,
		.v6 = true,
		.resolver_port = RESOLVER_PORT,
		.net4 = { NET4, NP_V4, 16 },
		.net6 = { NET6, NP_V6, 64 },
		.resolver4 = { NET4 + 1, NP_V4 },
		.resolver6 = { NET6 + 1, NP_V6 },
	};
}

void
pf_slot_default(uint32_t slot, struct pf_slot *out)
{
	*out = (struct pf_slot){
		.slot = slot,
		.sb4 = { NET4 + 2 * slot + 1, NP_V4 },
		.sb6 = { NET6 + 2 * slot + 1, NP_V6 },
	};
}

static bool
name_ok(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_' && s[i] != '.')
			return false;
	return n >= 1 && n <= UPLINK_MAX && isalpha((unsigned char)s[0]);
}

static void
nat(struct out *o, const struct pf_conf *c, const struct np_prefix *net)
{
	char text[NP_PREFIX_TEXT];

	say(o, "nat on %s %s from %s to any -> (%s)\n", c->uplink,
	    net->family == NP_V4 ? "inet" : "inet6", np_prefix_text(net, text),
	    c->uplink);
}

int
pf_emit_root(struct buf *b, const struct pf_conf *c, struct err *e)
{
	struct out o = { b, 0 };

	if (!name_ok(c->uplink))
		return err_set(e, ERR_INVALID,
		    "uplink \"%.32s\" is not an interface name", c->uplink);
	/* pf wants this order: options, translation, filter */
	if (c->freebsd >= 15)
		say(&o, "set limit anchors 4096\n");
	say(&o, "set limit tables 8192\n");
	say(&o, "set limit table-entries 2000000\n");
	say(&o, "set limit states 1000000\n");
	say(&o, "set reassemble yes\n");
	say(&o, "set skip on lo0\n\n");
	nat(&o, c, &c->net4);
	if (c->v6)
		nat(&o, c, &c->net6);
	say(&o, "rdr-anchor \"coppice/*\"\n\n");
	say(&o, "anchor \"coppice/*\" in on coppice\n");
	say(&o, "block drop in quick on coppice label \"coppice:closed\"\n");
	say(&o, "block drop out quick on coppice label \"coppice:inbound\"\n");
	say(&o,
	    "pass out quick on %s tagged COPPICE keep state "
	    "label \"coppice:uplink\"\n",
	    c->uplink);
	return finish(&o, e);
}

static void
table_range(struct out *o, const struct np_ok_range *r, enum np_family f,
    const struct np_site *site)
{
	char text[NP_PREFIX_TEXT], why[NP_ORIGIN_TEXT];
	struct np_prefix v[RANGE_PREFIXES];
	size_t n = np_range_prefixes(r->range, f, v, countof(v));

	np_origin_text(r->origin, site, why);
	for (size_t i = 0; i < n && i < countof(v); i++)
		say(o, "\t%s # %s\n", np_prefix_text(&v[i], text), why);
}

static void
table_family(struct out *o, const struct np_ok *ok, const struct np_site *site)
{
	for (size_t i = 0; i < ok->n; i++)
		table_range(o, &ok->v[i], ok->family, site);
}

static void
table(struct out *o, const struct pf_conf *c, const struct pf_slot *s,
    const struct np_site *site)
{
	bool empty = s->reach == NULL || s->reach->ok4.n == 0;

	if (c->v6 && s->reach != NULL && s->reach->ok6.n > 0)
		empty = false;
	/* The grammar has no empty list on several lines */
	if (empty) {
		say(o, "table <ok> persist\n\n");
		return;
	}
	say(o, "table <ok> persist {\n");
	table_family(o, &s->reach->ok4, site);
	if (c->v6)
		table_family(o, &s->reach->ok6, site);
	say(o, "}\n\n");
}

/* Of one slot alone: who sends from another address has no resolver. */
static void
resolver(struct out *o, const struct pf_conf *c, const struct pf_slot *s)
{
	static const char *const protos[] = { "udp", "tcp" };
	char from[NP_ADDR_TEXT], to[NP_ADDR_TEXT];

	np_addr_text(s->sb4, from);
	np_addr_text(c->resolver4, to);
	for (size_t i = 0; i < countof(protos); i++)
		say(o,
		    "rdr pass on cop%u inet proto %s from %s to %s port 53 "
		    "-> 127.0.0.1 port %u\n",
		    s->slot, protos[i], from, to, c->resolver_port);
	if (!c->v6)
		return;
	/* Not to ::1, which pf cannot: the host has this address on lo0 */
	np_addr_text(s->sb6, from);
	np_addr_text(c->resolver6, to);
	for (size_t i = 0; i < countof(protos); i++)
		say(o,
		    "rdr pass on cop%u inet6 proto %s from %s to %s port 53 "
		    "-> %s port %u\n",
		    s->slot, protos[i], from, to, to, c->resolver_port);
}

static void
spoof(struct out *o, const struct pf_conf *c, const struct pf_slot *s)
{
	char text[NP_ADDR_TEXT];

	say(o,
	    "block drop in quick on cop%u inet from ! %s to any "
	    "label \"coppice:sb%u:spoof\"\n",
	    s->slot, np_addr_text(s->sb4, text), s->slot);
	/* `! SRC4` alone would let every IPv6 source through */
	if (c->v6)
		say(o,
		    "block drop in quick on cop%u inet6 from ! %s to any "
		    "label \"coppice:sb%u:spoof6\"\n",
		    s->slot, np_addr_text(s->sb6, text), s->slot);
	else
		say(o,
		    "block drop in quick on cop%u inet6 all "
		    "label \"coppice:sb%u:spoof6\"\n",
		    s->slot, s->slot);
}

int
pf_emit_anchor(struct buf *b, const struct pf_conf *c, const struct pf_slot *s,
    const struct np_site *site, struct err *e)
{
	struct out o = { b, 0 };

	table(&o, c, s, site);
	resolver(&o, c, s);
	say(&o, "\n");
	spoof(&o, c, s);
	say(&o,
	    "pass in quick on cop%u from any to <ok> tag COPPICE "
	    "keep state (max 4096, if-bound) label \"coppice:sb%u:allowed\"\n",
	    s->slot, s->slot);
	say(&o,
	    "block return in quick on cop%u all "
	    "label \"coppice:sb%u:denied\"\n",
	    s->slot, s->slot);
	return finish(&o, e);
}
