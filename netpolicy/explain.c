#include "explain.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/proto.h"

enum { DNS_PORT = 53 };

static const struct {
	const char *name;
	int16_t proto;
} protos[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
};

const char *
np_src_text(enum np_src src)
{
	static const char *const text[] = {
		[NP_SRC_SITE] = "always denied",
		[NP_SRC_ALLOW] = "allow",
		[NP_SRC_PORTS] = "port",
		[NP_SRC_DENY] = "deny",
		[NP_SRC_NOINTERNET] = "no internet access",
		[NP_SRC_DEFAULT] = "all else",
		[NP_SRC_NSRC] = "unknown",
	};

	return text[src];
}

static int
bad_flow(const char *s, const char *why, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "flow \"%.80s\": %s (write ADDRESS[:PORT][/PROTO], IPv6 with a "
	    "port as [ADDRESS]:PORT)",
	    s, why);
}

static int
parse_port(const char *s, uint16_t *out)
{
	size_t n = strspn(s, "0123456789");
	long v;

	if (n == 0 || n > 5 || s[n] != '\0')
		return -1;
	v = strtol(s, NULL, 10);
	if (v < 1 || v > UINT16_MAX)
		return -1;
	*out = (uint16_t)v;
	return 0;
}

/* Cuts `text` behind the address; *port is NULL where none is given. */
static int
split_port(char *text, char **addr, char **port)
{
	char *end, *colon = strchr(text, ':');

	*addr = text;
	*port = NULL;
	if (text[0] == '[') {
		*addr = text + 1;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			return -1;
		*end = '\0';
		*port = end[1] == ':' ? end + 2 : NULL;
		return 0;
	}
	/* Two colons are an IPv6 address without a port */
	if (colon == NULL || strchr(colon + 1, ':') != NULL)
		return 0;
	*colon = '\0';
	*port = colon + 1;
	return 0;
}

int
np_proto_parse(const char *s, int16_t *out)
{
	for (size_t i = 0; i < countof(protos); i++) {
		if (strcmp(s, protos[i].name) != 0)
			continue;
		*out = protos[i].proto;
		return 0;
	}
	return -1;
}

int
np_flow_settle(struct np_flow *f)
{
	if (f->port != 0 && f->proto == NP_PROTO_UNSAID)
		f->proto = IPPROTO_TCP;
	if (f->port != 0 && !proto_has_ports(f->proto))
		return -1;
	if (f->proto == IPPROTO_ICMP && f->to.family == NP_V6)
		f->proto = IPPROTO_ICMPV6;
	return 0;
}

int
np_flow_parse(const char *s, struct np_flow *out, struct err *e)
{
	char text[80], *slash, *port, *addr;
	struct np_flow f = { .proto = NP_PROTO_UNSAID };

	if (strlen(s) >= sizeof(text))
		return bad_flow(s, "too long", e);
	memcpy(text, s, strlen(s) + 1);
	slash = strchr(text, '/');
	if (slash != NULL) {
		*slash = '\0';
		if (np_proto_parse(slash + 1, &f.proto) < 0)
			return bad_flow(s, "no tcp, udp or icmp", e);
	}
	if (split_port(text, &addr, &port) < 0)
		return bad_flow(s, "no closing bracket before the port", e);
	if (np_addr_parse(addr, &f.to) < 0)
		return bad_flow(s, "no address", e);
	if (port != NULL && parse_port(port, &f.port) < 0)
		return bad_flow(s, "no port from 1 to 65535", e);
	if (np_flow_settle(&f) < 0)
		return bad_flow(s, "icmp has no ports", e);
	*out = f;
	return 0;
}

static bool
is_there(struct np_addr a, struct np_addr resolver)
{
	return resolver.n != 0 && a.family == resolver.family &&
	       a.n == resolver.n;
}

bool
np_flow_is_dns(
    const struct np_flow *f, struct np_addr resolver4, struct np_addr resolver6)
{
	return f->port == DNS_PORT &&
	       (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) &&
	       (is_there(f->to, resolver4) || is_there(f->to, resolver6));
}

static void
note(struct np_explained *x, const char *text)
{
	if (x->nnotes < NP_NOTES_MAX)
		x->notes[x->nnotes++] = text;
}

static void
tried(
    struct np_explained *x, const struct np_ir *ir, size_t i, enum np_family f)
{
	struct np_tried *t =
	    x->nbefore == 0 ? NULL : &x->before[x->nbefore - 1];
	enum np_src src = ir->v[i].origin.src;

	if (t == NULL || t->src != src) {
		if (x->nbefore == NP_TRIED_MAX)
			return;
		t = &x->before[x->nbefore++];
		*t = (struct np_tried){ .first = i, .src = src };
	}
	t->last = i;
	t->nfamily += ir->v[i].family == f;
}

static bool
has_ports(const struct np_ir *ir)
{
	for (size_t i = 0; i < ir->n; i++)
		if (ir->v[i].origin.src == NP_SRC_PORTS)
			return true;
	return false;
}

static void
add_notes(
    struct np_explained *x, const struct np_ir *ir, const struct np_flow *flow)
{
	bool ports = has_ports(ir);

	if (x->rule->origin.src == NP_SRC_SITE)
		note(x, "no policy can allow this address; the operator can "
			"carve it out");
	if (!ports && flow->proto != NP_PROTO_UNSAID)
		note(x, "ports and protocols play no part");
	if (ports && flow->proto == NP_PROTO_UNSAID &&
	    x->rule->origin.src != NP_SRC_SITE &&
	    x->rule->origin.src != NP_SRC_ALLOW)
		note(x, "the policy has rules for ports: ask for "
			"ADDRESS:PORT/PROTO");
	if (flow->to.family == NP_V6)
		note(x, "where the host has no IPv6, every IPv6 packet is "
			"dropped first");
}

void
np_explain(const struct np_ir *ir, const struct np_flow *flow,
    struct np_addr resolver4, struct np_addr resolver6,
    struct np_explained *out)
{
	struct np_explained x = { .verdict = NP_PASS };

	if (np_flow_is_dns(flow, resolver4, resolver6)) {
		note(&x, "which names it answers depends on the policy");
		*out = x;
		return;
	}
	x.rule = np_judge(ir, flow);
	x.at = (size_t)(x.rule - ir->v);
	x.verdict = x.rule->verdict;
	for (size_t i = 0; i < x.at; i++)
		tried(&x, ir, i, flow->to.family);
	add_notes(&x, ir, flow);
	*out = x;
}

/* "allow 8.8.8.8", "always denied, 21 ranges" */
const char *
np_tried_what(
    const struct np_ir *ir, const struct np_tried *t, char to[NP_TRIED_TEXT])
{
	char text[NP_TO_TEXT];
	size_t n = t->last - t->first + 1;

	if (t->src == NP_SRC_PORTS && n > 1)
		(void)snprintf(to, NP_TRIED_TEXT, "ports, %zu rules", n);
	else if (t->src == NP_SRC_NOINTERNET || t->src == NP_SRC_DEFAULT)
		(void)snprintf(to, NP_TRIED_TEXT, "%s", np_src_text(t->src));
	else if (n == 1)
		(void)snprintf(to, NP_TRIED_TEXT, "%s %s", np_src_text(t->src),
		    np_to_text(&ir->v[t->first], text));
	else
		(void)snprintf(to, NP_TRIED_TEXT, "%s, %zu ranges",
		    np_src_text(t->src), n);
	return to;
}

/* One place, or the list. */
const char *
np_tried_from(const struct np_ir *ir, const struct np_site *s,
    const struct np_tried *t, char to[NP_ORIGIN_TEXT])
{
	char *end;

	np_origin_text(ir->v[t->first].origin, s, to);
	if (t->first == t->last)
		return to;
	if (t->src == NP_SRC_ALLOW || t->src == NP_SRC_DENY ||
	    t->src == NP_SRC_PORTS) {
		end = strrchr(to, '/');
		if (end != NULL)
			*end = '\0';
	}
	return to;
}

const char *
np_tried_why(const struct np_tried *t)
{
	if (t->src == NP_SRC_PORTS)
		return "no: other port";
	if (t->nfamily == 0)
		return "no: none of this family";
	return t->nfamily == 1 ? "no: other address" : "no: not in any";
}
