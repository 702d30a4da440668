/*
 * network_seen.c - GET /sandboxes/{sandboxID}/network/denials: what it was
 * denied lately, and by which rule; .../network/flows: what flows now.
 * Neither is E2B's.
 */
#include "ctl/api/api_int.h"
#include "ctl/api/network_show.h"

#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "base/own.h"
#include "ctl/sandbox/judge.h"
#include "ctl/sandbox/look.h"
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

/* --- denials ----------------------------------------------------------------
 */

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

/* --- flows ------------------------------------------------------------------
 */

/* As the kernel, and conntrack(8), calls them. */
static const char *
state_text(const struct rules_flow *f)
{
	static const char *const tcp[] = { "NONE", "SYN_SENT", "SYN_RECV",
		"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK",
		"TIME_WAIT", "CLOSE", "SYN_SENT2" };

	if (f->proto == IPPROTO_TCP && f->state < countof(tcp))
		return tcp[f->state];
	return f->replied ? "REPLIED" : "UNREPLIED";
}

/* A protocol without ports has none. */
static void
out_port(struct buf *b, const char *name, uint8_t proto, uint16_t port)
{
	if (port == 0 && proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		(void)buf_printf(b, ",\"%s\":null", name);
	else
		(void)buf_printf(b, ",\"%s\":%u", name, port);
}

/* Without accounting nothing was counted, not even the first packet. */
static void
out_counts(struct buf *b, const struct rules_flow *f)
{
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = { { "sentPackets", f->sent_packets },
		{ "sentBytes", f->sent_bytes },
		{ "receivedPackets", f->got_packets },
		{ "receivedBytes", f->got_bytes } };

	for (size_t i = 0; i < countof(counts); i++)
		if (f->sent_packets == 0)
			(void)buf_printf(b, ",\"%s\":null", counts[i].name);
		else
			(void)buf_printf(b, ",\"%s\":%llu", counts[i].name,
			    (unsigned long long)counts[i].n);
}

/* Straight to text, as there may be thousands. */
void
out_flow(struct buf *b, const struct rules_flow *f, uint32_t gen)
{
	const struct sb_flow flow = { f->to, f->family, f->proto, f->port };
	char to[NP_ADDR_TEXT], proto[PROTO_TEXT];

	(void)buf_printf(
	    b, "{\"destination\":\"%s\"", np_addr_text(judge_addr(&flow), to));
	out_port(b, "port", f->proto, f->port);
	(void)buf_printf(
	    b, ",\"protocol\":\"%s\"", proto_text(f->proto, proto));
	out_port(b, "sourcePort", f->proto, f->from_port);
	(void)buf_printf(b,
	    ",\"state\":\"%s\",\"generation\":%u,\"current\":%s,"
	    "\"expiresInSeconds\":%u",
	    state_text(f), f->gen, f->gen == gen ? "true" : "false",
	    f->timeout_s);
	out_counts(b, f);
	(void)buf_puts(b, "}");
}

static void
on_flows(void *ctx, const struct rules_flow *v, uint32_t n, const struct err *e)
{
	struct call *c = ctx;
	const struct sandbox *sb;
	struct buf b;

	if (e != NULL) {
		call_error(c, e, NULL);
		return;
	}
	sb = call_sandbox(c);
	if (sb == NULL)
		return;
	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "{\"flows\":[");
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_puts(&b, ",");
		out_flow(&b, &v[i], sandbox_record(sb)->gen);
	}
	(void)buf_puts(&b, "]}");
	call_ok(c, 200, &b);
}

void
get_flows(struct call *c)
{
	const struct sandbox *sb = call_sandbox(c);

	if (sb != NULL)
		engine_flows(c->api->en, sandbox_record(sb)->id, on_flows, c);
}
