/*
 * network_show.c - GET /sandboxes/{sandboxID}/network: the policy, what it
 * comes down to and what it counted; POST .../network/explain: why a flow
 * passes or does not.  Neither is E2B's.
 */
#include "ctl/api/api_int.h"
#include "ctl/api/network_show.h"
#include "ctl/api/schema.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/sandbox/look.h"
#include "json/ir_json.h"

/* Ends the call; takes o. */
void
call_json(struct call *c, json_t *o)
{
	autofree char *text =
	    o == NULL ? NULL
		      : json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	struct buf b;

	json_decref(o);
	buf_init(&b, API_ANSWER_MAX);
	if (text == NULL || buf_puts(&b, text) < 0) {
		buf_fini(&b);
		call_fail(c, 500, NULL, "no memory");
		return;
	}
	call_ok(c, 200, &b);
}

/* --- GET --------------------------------------------------------------------
 */

static json_t *
written(const struct sb_net *net)
{
	json_t *o = net->json == NULL ? NULL : json_loads(net->json, 0, NULL);

	return o == NULL ? json_object() : o;
}

static json_t *
rules(const struct sb_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->ir.n; i++)
		(void)json_array_append_new(
		    list, np_rule_json(&v->ir.v[i], i, v->site));
	return list;
}

static json_t *
counters(const struct rules_state *st)
{
	if (st == NULL)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "passed", (json_int_t)st->passed,
	    "denied", (json_int_t)st->denied, "stale", (json_int_t)st->stale);
}

static json_t *
shown(const struct sandbox *sb, const struct sb_view *v,
    const struct rules_state *st)
{
	const struct sb_record *r = sandbox_record(sb);
	const struct sb_carried *way_in = sandbox_carried(sb);

	return json_pack(
	    "{s:s, s:I, s:b, s:o, s:o, s:{s:o, s:o}, s:o, s:{s:I, s:I}}",
	    "sandboxID", r->id, "generation", (json_int_t)r->gen,
	    "allowInternetAccess", r->net.internet != SB_NO, "network",
	    written(&r->net), "rules", rules(v), "reach", "ipv4",
	    np_ok_json(&v->reach.ok4, v->reach.ports, v->site), "ipv6",
	    np_ok_json(&v->reach.ok6, v->reach.ports, v->site), "counters",
	    counters(st), "wayIn", "receivedBytes",
	    (json_int_t)way_in->received, "sentBytes",
	    (json_int_t)way_in->sent);
}

static void
on_counted(void *ctx, const struct rules_state *st, const struct err *e)
{
	struct call *c = ctx;
	struct sandbox *sb;
	struct sb_view v;
	struct err why;

	if (e != NULL) {
		call_error(c, e, NULL);
		return;
	}
	sb = call_sandbox(c);
	if (sb == NULL)
		return;
	if (sb_view_make(c->api->en, &sandbox_record(sb)->net, &v, &why) < 0) {
		call_error(c, &why, NULL);
		return;
	}
	call_header(c, "Coppice-Generation", "%u", sandbox_record(sb)->gen);
	call_json(c, shown(sb, &v, st));
	sb_view_fini(&v);
}

void
get_network(struct call *c)
{
	struct sandbox *sb = call_sandbox(c);

	if (sb != NULL)
		engine_counters(
		    c->api->en, sandbox_record(sb)->id, on_counted, c);
}

/* --- POST explain -----------------------------------------------------------
 */

static int
take_dst(const json_t *v, void *out, struct err *e)
{
	struct np_flow *f = out;

	if (np_addr_parse(json_string_value(v), &f->to) < 0)
		return schema_bad(e, v, "must be an IPv4 or IPv6 address");
	return 0;
}

static int
take_port(const json_t *v, void *out, struct err *e)
{
	struct np_flow *f = out;
	int64_t port = 0;

	if (schema_int(v, 1, UINT16_MAX, &port, e) < 0)
		return -1;
	f->port = (uint16_t)port;
	return 0;
}

static int
take_proto(const json_t *v, void *out, struct err *e)
{
	struct np_flow *f = out;
	int64_t number = 0;

	if (json_is_integer(v)) {
		if (schema_int(v, 0, UINT8_MAX, &number, e) < 0)
			return -1;
		f->proto = (int16_t)number;
		return 0;
	}
	if (np_proto_parse(json_string_value(v), &f->proto) == 0)
		return 0;
	return schema_bad(e, v,
	    "must be \"tcp\", \"udp\", \"icmp\" or a number from 0 to 255");
}

static int
take_host(const json_t *v, void *out, struct err *e)
{
	(void)v;
	(void)out;
	return err_set(e, ERR_UNSUPPORTED,
	    "host: names are not judged by this server yet: ask for an "
	    "address");
}

static const struct field explain_fields[] = {
	{ "dst", T_STRING, true, take_dst },
	{ "port", T_INT, false, take_port },
	{ "proto", T_STRING | T_INT, false, take_proto },
	{ "host", T_STRING, false, take_host },
};

static int
take_question(const json_t *body, struct np_flow *f, struct err *e)
{
	*f = (struct np_flow){ .proto = NP_PROTO_UNSAID };
	if (schema_take(explain_fields, countof(explain_fields), body, f, e) <
	    0)
		return -1;
	if (np_flow_settle(f) == 0)
		return 0;
	err_set(e, ERR_INVALID, "port %u: protocol %d has no ports", f->port,
	    f->proto);
	return err_at(e, "/port");
}

void
post_explain(struct call *c)
{
	struct sandbox *sb = call_sandbox(c);
	struct engine *en = c->api->en;
	struct np_explained x;
	struct np_flow flow;
	struct sb_view v;
	struct err e;
	json_t *o;

	if (sb == NULL)
		return;
	if (take_question(c->body, &flow, &e) < 0 ||
	    sb_view_make(en, &sandbox_record(sb)->net, &v, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	np_explain(&v.ir, &flow, engine_resolver(en, NP_V4),
	    engine_resolver(en, NP_V6), &x);
	o = np_explained_json(&v.ir, v.site, &x);
	if (o != NULL)
		(void)json_object_set_new(o, "generation",
		    json_integer((json_int_t)sandbox_record(sb)->gen));
	call_json(c, o);
	sb_view_fini(&v);
}
