#include "nft/emit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

#define NET4 ((np_u128)0x0a4e0000)
#define NET6 ((np_u128)0xfd77 << 112)

enum {
	GROUP = 1919,
	RESOLVER_PORT = 5300,
	GEN_FIRST = 0x100,
	MAX_FLOWS = 4096,
	CAP_SLOTS = 4096,
};

enum {
	BYTES_OF_A_MBIT = 125000,
	/* One packet that the sandbox's kernel has left to be cut must fit. */
	BURST_BYTES = 65536,
	BURST_PACKETS_MIN = 10,
};

/* The first failure is kept; what follows says nothing. */
struct out {
	struct buf *b;
	const struct nft_conf *c;
	const struct nft_slot *v;
	size_t n;
	const struct np_site *site;
	int rc;
	size_t elems; /* of the set that is being written */
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

void
nft_conf_default(struct nft_conf *c)
{
	*c = (struct nft_conf){
		.group = GROUP,
		.resolver_port = RESOLVER_PORT,
		.v6 = true,
		.resolver4 = { NET4 + 1, NP_V4 },
		.resolver6 = { NET6 + 1, NP_V6 },
		.max_flows = MAX_FLOWS,
		.cap_slots = CAP_SLOTS,
	};
}

/* A tenth of a second's packets at once. */
static uint32_t
packets_at_once(uint32_t a_second)
{
	uint32_t n = a_second / 10;

	return n < BURST_PACKETS_MIN ? BURST_PACKETS_MIN : n;
}

void
nft_caps(const struct nft_conf *c, struct nft_cap caps[NFT_NCAPS])
{
	caps[NFT_CAP_PPS] = (struct nft_cap){ .set = "cap_pps",
		.comment = "too many packets",
		.a_second = c->max_pps,
		.burst = packets_at_once(c->max_pps) };
	caps[NFT_CAP_OUT] = (struct nft_cap){ .set = "cap_out",
		.comment = "too many bytes out",
		.bytes = true,
		.a_second = (uint64_t)c->max_egress_mbit * BYTES_OF_A_MBIT,
		.burst = BURST_BYTES };
	caps[NFT_CAP_IN] = (struct nft_cap){ .set = "cap_in",
		.comment = "too many bytes in",
		.bytes = true,
		.in = true,
		.a_second = (uint64_t)c->max_ingress_mbit * BYTES_OF_A_MBIT,
		.burst = BURST_BYTES };
}

void
nft_slot_default(uint32_t slot, struct nft_slot *out)
{
	*out = (struct nft_slot){
		.slot = slot,
		.mac = { 0x02, 0xc0, 0x70, 0, (uint8_t)(slot >> 8),
		    (uint8_t)slot },
		.sb4 = { NET4 + 2 * slot + 1, NP_V4 },
		.sb6 = { NET6 + 2 * slot + 1, NP_V6 },
		.birth = GEN_FIRST,
	};
}

/* --- sets and maps -------------------------------------------------------- */

static void
begin(struct out *o, const char *what, const char *name, const char *type)
{
	o->elems = 0;
	say(o, "\t%s %s {\n\t\ttype %s\n", what, name, type);
}

static void
next_elem(struct out *o)
{
	say(o, "%s", o->elems++ == 0 ? "\t\telements = { " : ",\n\t\t\t     ");
}

static void
end_set(struct out *o)
{
	say(o, "%s\t}\n\n", o->elems == 0 ? "" : " }\n");
}

static void
live(struct out *o)
{
	begin(o, "set", "live", "mark");
	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].gen == 0)
			continue;
		next_elem(o);
		say(o, "0x%08x", o->v[i].gen);
	}
	end_set(o);
}

static void
gen(struct out *o)
{
	begin(o, "map", "gen", "ifname : mark");
	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].gen == 0)
			continue;
		next_elem(o);
		say(o, "\"cop%u\" : 0x%08x", o->v[i].slot, o->v[i].gen);
	}
	end_set(o);
}

static void
source_set(struct out *o, enum np_family f)
{
	begin(o, "set", f == NP_V4 ? "src4" : "src6",
	    f == NP_V4 ? "ifname . ether_addr . ipv4_addr"
		       : "ifname . ether_addr . ipv6_addr");
	for (size_t i = 0; i < o->n; i++) {
		const struct nft_slot *s = &o->v[i];
		char text[NP_ADDR_TEXT];

		np_addr_text(f == NP_V4 ? s->sb4 : s->sb6, text);
		next_elem(o);
		say(o,
		    "\"cop%u\" . %02x:%02x:%02x:%02x:%02x:%02x . %s "
		    "comment \"slot %u\"",
		    s->slot, s->mac[0], s->mac[1], s->mac[2], s->mac[3],
		    s->mac[4], s->mac[5], text, s->slot);
	}
	end_set(o);
}

static void
jumps(struct out *o, const char *name)
{
	begin(o, "map", name, "ifname : verdict");
	for (size_t i = 0; i < o->n; i++) {
		next_elem(o);
		say(o, "\"cop%u\" : jump sb%u", o->v[i].slot, o->v[i].slot);
	}
	end_set(o);
}

static void
ok_set(struct out *o, const struct nft_slot *s, enum np_family f)
{
	const struct np_ok *ok = NULL;
	char why[NP_ORIGIN_TEXT], text[NP_RANGE_TEXT], name[32];

	if (s->reach != NULL)
		ok = f == NP_V4 ? &s->reach->ok4 : &s->reach->ok6;
	(void)snprintf(name, sizeof(name), "sb%u_ok%d", s->slot, (int)f);
	begin(o, "set", name, f == NP_V4 ? "ipv4_addr" : "ipv6_addr");
	say(o, "\t\tflags interval\n");
	for (size_t i = 0; ok != NULL && i < ok->n; i++) {
		if (ok->v[i].class != NP_WHOLE)
			continue;
		next_elem(o);
		say(o, "%s comment \"%s\"",
		    np_range_text(ok->v[i].range, f, text),
		    np_origin_text(ok->v[i].origin, o->site, why));
	}
	end_set(o);
}

/* What is in them, packets put there. */
static void
cap_sets(struct out *o)
{
	struct nft_cap caps[NFT_NCAPS];

	nft_caps(o->c, caps);
	for (size_t i = 0; i < NFT_NCAPS; i++) {
		if (caps[i].a_second == 0)
			continue;
		begin(o, "set", caps[i].set, "ifname");
		say(o, "\t\tsize %u\n\t\tflags dynamic\n", o->c->cap_slots);
		end_set(o);
	}
}

/* --- ports ----------------------------------------------------------------
 */

bool
nft_uses(const struct np_reach *r, enum np_class c)
{
	const struct np_ok *both[2] = { &r->ok4, &r->ok6 };

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < both[k]->n; i++)
			if (both[k]->v[i].class == c)
				return true;
	return false;
}

bool
nft_wants_ports(const struct np_reach *r)
{
	return nft_uses(r, NP_BUT) || nft_uses(r, NP_ONLY);
}

/* A class id looks like a traffic class: it rides where those do. */
static const char *
class_text(const struct nft_slot *s, enum np_class c, char to[16])
{
	(void)snprintf(to, 16, "%x:%x", s->ids[c] >> 16, s->ids[c] & 0xffff);
	return to;
}

static void
some_map(struct out *o, const struct nft_slot *s, enum np_family f)
{
	const struct np_ok *ok = NULL;
	char name[32];

	if (s->reach != NULL)
		ok = f == NP_V4 ? &s->reach->ok4 : &s->reach->ok6;
	(void)snprintf(name, sizeof(name), "sb%u_some%d", s->slot, (int)f);
	begin(o, "map", name,
	    f == NP_V4 ? "ipv4_addr : classid" : "ipv6_addr : classid");
	say(o, "\t\tflags interval\n");
	for (size_t i = 0; ok != NULL && i < ok->n; i++) {
		char why[NP_ORIGIN_TEXT], text[NP_RANGE_TEXT], id[16];

		if (ok->v[i].class == NP_WHOLE)
			continue;
		next_elem(o);
		say(o, "%s comment \"%s\" : %s",
		    np_range_text(ok->v[i].range, f, text),
		    np_origin_text(ok->v[i].origin, o->site, why),
		    class_text(s, ok->v[i].class, id));
	}
	end_set(o);
}

static void
ports_of(
    struct out *o, const struct nft_slot *s, enum np_class c, uint8_t proto)
{
	const struct np_ports *p = &s->reach->ports[c];
	char id[16];

	class_text(s, c, id);
	for (size_t i = 0; i < p->n; i++) {
		const struct np_port_box *b = &p->v[i];

		if (proto < b->proto_lo || b->proto_hi < proto)
			continue;
		next_elem(o);
		if (proto == NFT_PROTO_REST)
			say(o, "%s", id);
		else if (b->lo == b->hi)
			say(o, "%s . %u", id, b->lo);
		else
			say(o, "%s . %u-%u", id, b->lo, b->hi);
	}
}

static void
ports_set(
    struct out *o, const struct nft_slot *s, const char *what, uint8_t proto)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "sb%u_%s", s->slot, what);
	begin(o, "set", name,
	    proto == NFT_PROTO_REST ? "classid" : "classid . inet_service");
	if (proto != NFT_PROTO_REST)
		say(o, "\t\tflags interval\n");
	for (enum np_class c = NP_BUT; s->reach != NULL && c <= NP_ONLY; c++)
		if (nft_uses(s->reach, c))
			ports_of(o, s, c, proto);
	end_set(o);
}

static void
ports_sets(struct out *o, const struct nft_slot *s)
{
	some_map(o, s, NP_V4);
	if (o->c->v6)
		some_map(o, s, NP_V6);
	ports_set(o, s, "tcp", IPPROTO_TCP);
	ports_set(o, s, "udp", IPPROTO_UDP);
	ports_set(o, s, "rest", NFT_PROTO_REST);
}

static void
sets(struct out *o)
{
	/* First what every packet or every update asks: it is found first */
	live(o);
	gen(o);
	source_set(o, NP_V4);
	if (o->c->v6)
		source_set(o, NP_V6);
	jumps(o, "out");
	jumps(o, "in");
	cap_sets(o);
	for (size_t i = 0; i < o->n; i++) {
		ok_set(o, &o->v[i], NP_V4);
		if (o->c->v6)
			ok_set(o, &o->v[i], NP_V6);
		if (o->v[i].ports)
			ports_sets(o, &o->v[i]);
	}
}

/* --- chains --------------------------------------------------------------- */

static void
chain(struct out *o, const char *name)
{
	say(o, "\tchain %s {\n", name);
}

static void
base_chain(struct out *o, const char *name, const char *hook)
{
	chain(o, name);
	say(o, "\t\ttype %s; policy accept;\n", hook);
}

static void
end_chain(struct out *o)
{
	say(o, "\t}\n\n");
}

static void
cap_rules(struct out *o, bool in)
{
	struct nft_cap caps[NFT_NCAPS];

	nft_caps(o->c, caps);
	for (size_t i = 0; i < NFT_NCAPS; i++) {
		const struct nft_cap *c = &caps[i];

		if (c->a_second == 0 || c->in != in)
			continue;
		say(o,
		    "\t\tupdate @%s { %s limit rate over %llu%s/second "
		    "burst %u %s } counter drop comment \"%s\"\n",
		    c->set, in ? "oifname" : "iifname",
		    (unsigned long long)c->a_second, c->bytes ? " bytes" : "",
		    c->burst, c->bytes ? "bytes" : "packets", c->comment);
	}
}

static void
source(struct out *o)
{
	base_chain(o, "prerouting", "filter hook prerouting priority raw");
	say(o, "\t\tiifgroup %u goto source\n", o->c->group);
	end_chain(o);
	chain(o, "source");
	say(o, "\t\tip hdrlength != 5 counter drop comment \"IP options\"\n");
	cap_rules(o, false);
	say(o, "\t\tiifname . ether saddr . ip saddr @src4 "
	       "meta pkttype set host accept\n");
	if (o->c->v6)
		say(o, "\t\tiifname . ether saddr . ip6 saddr @src6 "
		       "meta pkttype set host accept\n");
	say(o, "\t\tcounter drop comment \"not the slot's own address\"\n");
	end_chain(o);
}

static void
redirect(struct out *o, const char *family, struct np_addr to)
{
	static const char *const protos[] = { "udp", "tcp" };
	char text[NP_ADDR_TEXT];

	np_addr_text(to, text);
	for (size_t i = 0; i < 2; i++)
		say(o,
		    "\t\tiifgroup %u %s daddr %s %s dport 53 redirect to :%u\n",
		    o->c->group, family, text, protos[i], o->c->resolver_port);
}

/* Who has none is nobody's yet, or no more. */
static void
generation(struct out *o, const char *dir)
{
	say(o, "\t\tmeta mark set 0x00000000\n");
	say(o, "\t\tmeta mark set %s map @gen\n", dir);
	say(o, "\t\tmeta mark 0x00000000 counter drop comment "
	       "\"closed: no generation\"\n");
}

static void
resolver(struct out *o)
{
	base_chain(o, "resolver", "nat hook prerouting priority dstnat");
	redirect(o, "ip", o->c->resolver4);
	if (o->c->v6)
		redirect(o, "ip6", o->c->resolver6);
	end_chain(o);
	base_chain(o, "input", "filter hook input priority filter");
	say(o, "\t\tiifgroup %u goto host\n", o->c->group);
	end_chain(o);
	chain(o, "host");
	generation(o, "iifname");
	say(o, "\t\tct status dnat udp dport %u accept\n", o->c->resolver_port);
	say(o, "\t\tct status dnat tcp dport %u accept\n", o->c->resolver_port);
	say(o, "\t\tcounter goto refuse comment "
	       "\"the host's own addresses\"\n");
	end_chain(o);
}

/* From here on the same in both directions; dir is iifname or oifname. */
static void
by_generation(struct out *o, const char *dir, const char *map)
{
	generation(o, dir);
	say(o, "\t\t%s vmap @%s\n", dir, map);
	say(o, "\t\tcounter drop comment \"no such slot\"\n");
	end_chain(o);
}

static void
forward(struct out *o)
{
	static const char judged[] =
	    "ct mark @live accept comment \"judged under a current "
	    "generation\"\n";

	base_chain(o, "forward", "filter hook forward priority filter");
	say(o, "\t\tiifgroup %u goto judge_out\n", o->c->group);
	say(o, "\t\toifgroup %u goto judge_in\n", o->c->group);
	end_chain(o);

	chain(o, "judge_out");
	say(o, "\t\tct state != related %s", judged);
	say(o,
	    "\t\toifgroup %u counter goto refuse comment "
	    "\"sandboxes do not reach one another\"\n",
	    o->c->group);
	by_generation(o, "iifname", "out");

	chain(o, "judge_in");
	cap_rules(o, true);
	say(o, "\t\tct direction reply %s", judged);
	by_generation(o, "oifname", "in");
}

static void
refuse(struct out *o)
{
	chain(o, "refuse");
	say(o, "\t\tmeta l4proto tcp reject with tcp reset\n");
	say(o, "\t\treject with icmpx admin-prohibited\n");
	end_chain(o);
	base_chain(o, "leave", "nat hook postrouting priority srcnat");
	say(o, "\t\tiifgroup %u oifgroup != %u masquerade\n", o->c->group,
	    o->c->group);
	say(o, "\t}\n");
}

static void
pass(struct out *o, const struct nft_slot *s, enum np_family f)
{
	const char *ip = f == NP_V4 ? "ip" : "ip6";
	char text[NP_ADDR_TEXT];

	np_addr_text(f == NP_V4 ? s->sb4 : s->sb6, text);
	say(o,
	    "\t\tct original %s saddr %s ct original %s daddr @sb%u_ok%d "
	    "ct mark set meta mark counter accept comment \"allowed\"\n",
	    ip, text, ip, s->slot, (int)f);
}

/*
 * The class of the address and then its list of ports, with the packet's
 * priority to carry it from one to the other: nft cannot look up a part of a
 * concatenation, and the mark has the generation.
 */
static void
pass_some(struct out *o, const struct nft_slot *s, enum np_family f)
{
	static const char *const protos[] = { "tcp", "udp" };
	const char *ip = f == NP_V4 ? "ip" : "ip6";
	char text[NP_ADDR_TEXT], match[128];

	np_addr_text(f == NP_V4 ? s->sb4 : s->sb6, text);
	(void)snprintf(
	    match, sizeof(match), "ct original %s saddr %s", ip, text);
	for (size_t i = 0; i < 2; i++) {
		say(o,
		    "\t\t%s ct l3proto %s ct protocol %s meta priority set ct "
		    "original %s daddr map @sb%u_some%d ",
		    match, f == NP_V4 ? "ipv4" : "ipv6", protos[i], ip, s->slot,
		    (int)f);
		say(o,
		    "meta priority . ct original proto-dst @sb%u_%s meta "
		    "priority set none ct mark set meta mark counter accept "
		    "comment \"allowed on this port\"\n",
		    s->slot, protos[i]);
	}
	say(o,
	    "\t\t%s ct protocol != tcp ct protocol != udp meta priority set "
	    "ct original %s daddr map @sb%u_some%d ",
	    match, ip, s->slot, (int)f);
	say(o,
	    "meta priority @sb%u_rest meta priority set none ct mark set meta "
	    "mark counter accept comment \"allowed: has no port\"\n",
	    s->slot);
}

static void
sandbox(struct out *o, const struct nft_slot *s)
{
	say(o, "\n\tchain sb%u {\n", s->slot);
	say(o,
	    "\t\tct mark != 0x00000000 ct mark < 0x%08x counter drop comment "
	    "\"the slot's previous tenant\"\n",
	    s->birth);
	say(o,
	    "\t\toifname \"cop%u\" ct direction original counter drop comment "
	    "\"nobody comes in this way\"\n",
	    s->slot);
	say(o,
	    "\t\tct state new ct count over %u counter goto refuse "
	    "comment \"too many flows\"\n",
	    o->c->max_flows);
	pass(o, s, NP_V4);
	if (o->c->v6)
		pass(o, s, NP_V6);
	if (s->ports)
		pass_some(o, s, NP_V4);
	if (s->ports && o->c->v6)
		pass_some(o, s, NP_V6);
	say(o, "\t\tlimit rate 20/second burst 40 packets log group 1919 "
	       "snaplen 128\n");
	say(o, "\t\tcounter comment \"denied\"\n");
	say(o,
	    "\t\toifname \"cop%u\" drop comment \"the other end gets no "
	    "answer\"\n",
	    s->slot);
	say(o, "\t\tlimit rate 1000/second burst 1000 packets goto refuse\n");
	say(o, "\t\tdrop\n");
	say(o, "\t}\n");
}

int
nft_emit(struct buf *b, const struct nft_conf *c, const struct nft_slot *v,
    size_t n, const struct np_site *site, struct err *e)
{
	struct out o = { .b = b, .c = c, .v = v, .n = n, .site = site };

	say(&o, "table inet coppice {\n");
	sets(&o);
	source(&o);
	resolver(&o);
	forward(&o);
	refuse(&o);
	for (size_t i = 0; i < n; i++)
		sandbox(&o, &v[i]);
	say(&o, "}\n");
	if (o.rc < 0)
		return err_set(
		    e, ERR_TOOBIG, "nft text is over %zu bytes", b->max);
	return 0;
}
