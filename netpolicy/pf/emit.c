/* emit.c - the root rule set, and what both texts are written with. */
#include "pf/emit.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "pf/emit_int.h"
#include "pf/rules.h"

#define NET4 ((np_u128)0x0a4e0000)
#define NET6 ((np_u128)0xfd77 << 112)

enum { RESOLVER_PORT = 5300, UPLINK_MAX = 15 };

void
pf_say(struct pf_out *o, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (o->rc == 0)
		o->rc = buf_puts(o->b, line);
}

int
pf_said(const struct pf_out *o, struct err *e)
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
		.max_flows = 4096,
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

const char *
pf_anchor_name(uint32_t slot, char to[PF_ANCHOR_NAME])
{
	(void)snprintf(to, PF_ANCHOR_NAME, "coppice/sb%u", slot);
	return to;
}

const char *
pf_if_name(uint32_t slot, char to[PF_IF_NAME])
{
	(void)snprintf(to, PF_IF_NAME, "cop%u", slot);
	return to;
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
nat(struct pf_out *o, const struct pf_conf *c, const struct np_prefix *net)
{
	char text[NP_PREFIX_TEXT];

	pf_say(o, "nat on %s %s from %s to any -> (%s)\n", c->uplink,
	    net->family == NP_V4 ? "inet" : "inet6", np_prefix_text(net, text),
	    c->uplink);
}

/*
 * One that is about a flow has that flow's state, and meets no rule.  What is
 * left quotes somebody else's packet, or none: no policy is about that.
 */
static void
errors(struct pf_out *o, enum np_family f)
{
	const char *six = f == NP_V4 ? "" : "6";

	pf_say(o,
	    "block drop in quick on coppice inet%s proto icmp%s all "
	    "icmp%s-type {",
	    six, six, six);
	for (unsigned v = 0; v <= UINT8_MAX; v++) {
		const char *name = pfm_icmp_error(f, (uint8_t)v);

		if (name != NULL)
			pf_say(o, " %s", name);
	}
	pf_say(o, " } label \"coppice:stray%s\"\n", six);
}

int
pf_emit_root(struct buf *b, const struct pf_conf *c, struct err *e)
{
	struct pf_out o = { b, 0 };

	if (!name_ok(c->uplink))
		return err_set(e, ERR_INVALID,
		    "uplink \"%.32s\" is not an interface name", c->uplink);
	/* pf wants this order: options, translation, filter */
	if (c->freebsd >= 15)
		pf_say(&o, "set limit anchors 8192\n");
	pf_say(&o, "set limit table-entries 2000000\n");
	pf_say(&o, "set limit states 1000000\n");
	pf_say(&o, "set reassemble yes\n");
	pf_say(&o, "set skip on lo0\n\n");
	nat(&o, c, &c->net4);
	if (c->v6)
		nat(&o, c, &c->net6);
	pf_say(&o, "rdr-anchor \"coppice/*\"\n\n");
	pf_say(&o, "block drop in quick on coppice from any to (self) "
		   "! tagged COPPICE_DNS label \"coppice:host\"\n");
	errors(&o, NP_V4);
	if (c->v6)
		errors(&o, NP_V6);
	pf_say(&o, "anchor \"coppice/*\" in on coppice\n");
	pf_say(&o,
	    "block drop in quick on coppice all label \"coppice:closed\"\n");
	pf_say(&o,
	    "block drop out quick on coppice all label \"coppice:inbound\"\n");
	pf_say(&o,
	    "pass out quick on %s all tagged COPPICE keep state "
	    "label \"coppice:uplink\"\n",
	    c->uplink);
	return pf_said(&o, e);
}
