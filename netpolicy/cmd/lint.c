#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pass.h"

/* Members of the network object, or of a PUT body, that mean something. */
static const char *const known[] = { "allowOut", "denyOut", "egressProxy",
	"rules", "ports", "allowPublicTraffic", "maskRequestHost", "httpsPorts",
	"vpn", "allow_internet_access" };

static int add(json_t *found, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
add(json_t *found, const char *where, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return json_array_append_new(found,
	    json_pack("{s:s, s:s}", "where", where, "message", cmd_clean(msg)));
}

static bool
is_known(const char *name)
{
	for (size_t i = 0; i < countof(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

static void
unknown_members(json_t *found, const struct cmd_input *in)
{
	const char *name;
	json_t *v;

	json_object_foreach (in->network, name, v)
		if (!is_known(name))
			add(found, "/network",
			    "\"%.80s\" is unknown and ignored", name);
}

/* "10.1.2.3/8 means 10.0.0.0/8" */
static void
host_bits(json_t *found, const struct cmd_input *in, const struct np_list *l,
    const char *field)
{
	const json_t *list = json_object_get(in->network, field);

	for (size_t i = 0; i < l->n; i++) {
		const struct np_entry *x = &l->v[i];
		const char *text =
		    json_string_value(json_array_get(list, x->item));
		char canon[NP_PREFIX_TEXT], where[64], written[NP_ADDR_TEXT];
		struct np_addr a;
		size_t n = text == NULL ? 0 : strcspn(text, "/");

		if (n == 0 || n >= sizeof(written))
			continue;
		memcpy(written, text, n);
		written[n] = '\0';
		if (np_addr_parse(written, &a) < 0 || a.n == x->prefix.addr)
			continue;
		(void)snprintf(
		    where, sizeof(where), "/network/%s/%u", field, x->item);
		add(found, where, "%s means %s", text,
		    np_prefix_text(&x->prefix, canon));
	}
}

static const struct np_rule *
coverer(const struct np_ir *ir, size_t at)
{
	const struct np_rule *r = &ir->v[at];

	for (size_t i = 0; i < at; i++)
		if (ir->v[i].family == r->family &&
		    ir->v[i].origin.src != NP_SRC_PORTS &&
		    ir->v[i].to.lo <= r->to.lo && r->to.hi <= ir->v[i].to.hi)
			return &ir->v[i];
	return NULL;
}

static void
unused_rule(json_t *found, const struct cmd_input *in, size_t at)
{
	const struct np_rule *r = &in->ir.v[at], *by = coverer(&in->ir, at);
	char where[NP_ORIGIN_TEXT], range[NP_RANGE_TEXT];
	char wide[NP_RANGE_TEXT], why[NP_ORIGIN_TEXT];

	np_origin_text(r->origin, &in->site, where);
	np_range_text(r->to, r->family, range);
	if (by == NULL)
		add(found, where,
		    "%s can never match: rules before it cover it together",
		    range);
	else
		add(found, where, "%s can never match: %s %s covers it (%s)",
		    range, np_src_text(by->origin.src),
		    np_range_text(by->to, by->family, wide),
		    np_origin_text(by->origin, &in->site, why));
}

/* A rule for both families is two, and of use when one is. */
static bool
entry_used(const struct np_ir *ir, const bool *used, size_t at)
{
	for (size_t i = 0; i < ir->n; i++)
		if (used[i] && ir->v[i].origin.src == ir->v[at].origin.src &&
		    ir->v[i].origin.item == ir->v[at].origin.item)
			return true;
	return false;
}

static void
unused_port(json_t *found, const struct cmd_input *in, size_t at)
{
	char where[NP_ORIGIN_TEXT], port[NP_TO_TEXT];

	np_origin_text(in->ir.v[at].origin, &in->site, where);
	add(found, where, "%s can never match: what comes before it covers it",
	    np_to_text(&in->ir.v[at], port));
}

static int
unused_rules(json_t *found, const struct cmd_input *in, struct err *e)
{
	autofree bool *used = calloc(in->ir.n + 1, sizeof(*used));
	const struct np_ir *ir = &in->ir;

	if (used == NULL)
		return err_sys(e, "%zu rules", ir->n);
	if (np_rules_used(ir, used, e) < 0)
		return -1;
	for (size_t i = 0; i < ir->n; i++) {
		enum np_src src = ir->v[i].origin.src;

		if (src == NP_SRC_PORTS && ir->v[i].family == NP_V4 &&
		    !entry_used(ir, used, i))
			unused_port(found, in, i);
		if (used[i] || (src != NP_SRC_ALLOW && src != NP_SRC_DENY))
			continue;
		if (ir->v[i].to.lo == 0 && entry_used(ir, used, i))
			continue;
		unused_rule(found, in, i);
	}
	return 0;
}

static bool
default_open(const struct np_ok *ok)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].origin.src == NP_SRC_DEFAULT)
			return true;
	return false;
}

static int
half_a_wall(json_t *found, const struct cmd_input *in, struct err *e)
{
	struct np_ok ok4 = { .family = NP_V4 }, ok6 = { .family = NP_V6 };
	int rc = -1;

	if (np_flatten(&in->ir, NP_V4, &ok4, e) == 0 &&
	    np_flatten(&in->ir, NP_V6, &ok6, e) == 0) {
		rc = 0;
		if (!default_open(&ok4) && default_open(&ok6))
			add(found, "/network/denyOut",
			    "all of IPv4 is denied and IPv6 is not: write "
			    "0.0.0.0/0, which means both");
	}
	np_ok_fini(&ok4);
	np_ok_fini(&ok6);
	return rc;
}

static int
look(json_t *found, const struct cmd_input *in, struct err *e)
{
	const struct np_policy *p = &in->policy;

	unknown_members(found, in);
	host_bits(found, in, &p->allow, "allowOut");
	host_bits(found, in, &p->deny, "denyOut");
	if (unused_rules(found, in, e) < 0)
		return -1;
	if (p->allow.n > 0 && p->deny.n == 0 && !p->no_internet)
		add(found, "/network/allowOut",
		    "nothing is denied, so allowing has no effect");
	return half_a_wall(found, in, e);
}

static void
print_text(const json_t *found)
{
	const json_t *v;
	size_t i;

	json_array_foreach (found, i, v)
		(void)printf("%s: %s\n",
		    json_string_value(json_object_get(v, "where")),
		    json_string_value(json_object_get(v, "message")));
}

int
cmd_lint(const struct cmd_opts *o, struct err *e)
{
	json_t *found = json_array();
	struct cmd_input in;
	size_t n;
	int rc = cmd_input_read(&in, o->policy, o->site, e);

	if (rc == 0)
		rc = look(found, &in, e);
	n = json_array_size(found);
	if (rc == 0 && o->json)
		rc = cmd_print_json(json_incref(found), e);
	else if (rc == 0)
		print_text(found);
	json_decref(found);
	cmd_input_fini(&in);
	if (rc < 0)
		return -1;
	return n == 0 ? EXIT_PASS : EXIT_DROP;
}
