/*
 * network_seen.c - GET /sandboxes/{sandboxID}/network/denials: what it was
 * denied lately, and by which rule.  Not E2B's.
 */
#include "ctl/api/api_int.h"
#include "ctl/api/network_show.h"

#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "base/own.h"
#include "ctl/sandbox/judge.h"
#include "netpolicy/explain.h"

enum { PROTO_TEXT = 12, MICRO_TEXT = 40 };

static const char *
proto_text(uint8_t proto, char to[PROTO_TEXT])
{
	static const struct {
		uint8_t number;
		const char *name;
	} known[] = {
		{ IPPROTO_TCP, "tcp" },
		{ IPPROTO_UDP, "udp" },
		{ IPPROTO_ICMP, "icmp" },
		{ IPPROTO_ICMPV6, "icmpv6" },
		{ IPPROTO_SCTP, "sctp" },
	};

	for (size_t i = 0; i < countof(known); i++)
		if (known[i].number == proto)
			return known[i].name;
	(void)snprintf(to, PROTO_TEXT, "%u", proto);
	return to;
}

/* RFC 3339, to the microsecond. */
static const char *
micro_text(uint64_t us, char to[MICRO_TEXT])
{
	const time_t s = (time_t)(us / 1000000);
	struct tm tm = { 0 };
	size_t n;

	(void)gmtime_r(&s, &tm);
	n = strftime(to, MICRO_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(
	    to + n, MICRO_TEXT - n, ".%06uZ", (unsigned)(us % 1000000));
	return to;
}

/* A protocol without ports has none, rather than port 0. */
static json_t *
port_json(uint8_t proto, uint16_t port)
{
	if (port == 0 && proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return json_null();
	return json_integer(port);
}

static json_t *
rule_json(const struct sb_denial *x)
{
	if (x->text == NULL)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "source", np_src_text(x->src),
	    "origin", x->origin, "text", x->text);
}

static json_t *
denial_json(const struct sb_denial *x)
{
	const struct denial *d = &x->d;
	const struct sb_flow f = { d->to, d->family, d->proto, d->port };
	char first[MICRO_TEXT], last[MICRO_TEXT];
	char to[NP_ADDR_TEXT], proto[PROTO_TEXT];

	return json_pack("{s:s, s:s, s:I, s:s, s:o, s:s, s:o, s:s, s:I, s:s,"
			 " s:o}",
	    "time", micro_text(d->at_us, first), "lastTime",
	    micro_text(x->last_us, last), "count", (json_int_t)x->count,
	    "destination", np_addr_text(judge_addr(&f), to), "port",
	    port_json(d->proto, d->port), "protocol",
	    proto_text(d->proto, proto), "sourcePort",
	    port_json(d->proto, d->from_port), "direction",
	    d->inbound ? "in" : "out", "generation", (json_int_t)d->gen,
	    "verdict", "drop", "rule", rule_json(x));
}

void
get_denials(struct call *c)
{
	struct sandbox *sb = call_sandbox(c);
	const struct sb_denials *l;
	json_t *list;

	if (sb == NULL)
		return;
	l = sandbox_denials(sb);
	list = json_array();
	for (uint32_t i = 0; i < l->n; i++)
		(void)json_array_append_new(list, denial_json(&l->v[i]));
	call_json(c, json_pack("{s:o, s:I}", "denials", list, "dropped",
			 (json_int_t)l->dropped));
}
