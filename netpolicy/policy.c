#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "base/name.h"

#define ALL_TRAFFIC "0.0.0.0/0"

/* E2B's sentence, to the letter: users search for it. */
static const char name_without_deny_all[] =
    "When specifying allowed domains in allow out, you must include "
    "'ALL_TRAFFIC' in deny out to block all other traffic.";

void
np_policy_init(struct np_policy *p)
{
	*p = (struct np_policy){ 0 };
}

void
np_policy_fini(struct np_policy *p)
{
	free(p->allow.v);
	free(p->deny.v);
	free(p->ports);
	np_policy_init(p);
}

static int
list_add(
    struct np_list *l, const char *field, struct np_entry entry, struct err *e)
{
	if (l->n >= NP_LIST_MAX)
		return err_set(e, ERR_INVALID,
		    "%s has more than %d entries: at most %d are allowed",
		    field, NP_LIST_MAX, NP_LIST_MAX);
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;
		struct np_entry *v = realloc(l->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%s", field);
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = entry;
	return 0;
}

/*
 * `what entry`, on one line and in whole characters, as a message must be: a
 * control byte becomes '?', and an entry that is too long is cut.
 */
static int
refuse(struct err *e, const char *what, const char *entry, const char *hint)
{
	enum { SHOWN = 160 };
	char text[SHOWN + 1];
	size_t n = strlen(entry), len = n > SHOWN ? SHOWN : n;

	while (
	    n > SHOWN && len > 0 && ((unsigned char)entry[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++)
		text[i] = (unsigned char)entry[i] < 0x20 || entry[i] == 0x7f
			      ? '?'
			      : entry[i];
	text[len] = '\0';
	return err_set(e, ERR_INVALID, "%s %s%s%s", what, text,
	    n > SHOWN ? "..." : "", hint);
}

enum parsed { IS_ADDRESS, IS_ZERO, IS_NEITHER };

/*
 * An address part of zero is nobody's address, and a range that starts with
 * it is a slip more often than a wish: only the one spelling is taken.
 */
static enum parsed
parse_entry(const char *entry, struct np_prefix *out)
{
	char text[NP_ADDR_TEXT];
	size_t n = strcspn(entry, "/");
	struct np_addr a;

	if (strlen(entry) > NP_ENTRY_MAX || np_prefix_parse(entry, out) < 0)
		return IS_NEITHER;
	if (strcmp(entry, ALL_TRAFFIC) == 0)
		return IS_ADDRESS;
	/* np_prefix_parse() took it, so it fits. */
	memcpy(text, entry, n);
	text[n] = '\0';
	if (np_addr_parse(text, &a) < 0 || a.n == 0)
		return IS_ZERO;
	return IS_ADDRESS;
}

int
np_policy_deny(
    struct np_policy *p, const char *entry, uint32_t item, struct err *e)
{
	struct np_entry new = { .item = item };

	if (parse_entry(entry, &new.prefix) != IS_ADDRESS)
		return refuse(e, "invalid denied CIDR", entry, "");
	if (list_add(&p->deny, "denyOut", new, e) < 0)
		return -1;
	if (strcmp(entry, ALL_TRAFFIC) == 0)
		p->deny_all = true;
	return 0;
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

static int
take_name(struct np_policy *p, const char *entry, uint32_t item, struct err *e)
{
	static const char what[] = "invalid allowed address";

	if (!is_ascii(entry))
		return refuse(e, what, entry,
		    ": write a name outside ASCII in its xn-- form");
	if (!np_name_pattern_ok(entry))
		return refuse(e, what, entry, "");
	if (p->nnames >= NP_NAME_MAX)
		return err_set(e, ERR_INVALID,
		    "allowOut has more than %d names: at most %d are allowed",
		    NP_NAME_MAX, NP_NAME_MAX);
	if (!p->has_name)
		p->first_name = item;
	p->has_name = true;
	p->nnames++;
	return 0;
}

int
np_policy_allow(
    struct np_policy *p, const char *entry, uint32_t item, struct err *e)
{
	struct np_entry new = { .item = item };

	switch (parse_entry(entry, &new.prefix)) {
	case IS_ADDRESS:
		return list_add(&p->allow, "allowOut", new, e);
	case IS_ZERO:
		return refuse(e, "invalid allowed address", entry, "");
	case IS_NEITHER:
		break;
	}
	return take_name(p, entry, item, e);
}

int
np_policy_port(struct np_policy *p, const struct np_port *port, struct err *e)
{
	struct np_port *v;

	for (size_t i = 0; i < p->nports; i++) {
		const struct np_port *x = &p->ports[i];

		if (x->proto == port->proto && x->deny != port->deny &&
		    x->lo <= port->hi && port->lo <= x->hi)
			return err_set(e, ERR_INVALID,
			    "port %u of %s is both allowed and denied: by "
			    "ports/%u and by ports/%u",
			    x->lo > port->lo ? x->lo : port->lo,
			    x->proto == IPPROTO_TCP ? "tcp" : "udp", x->item,
			    port->item);
	}
	/* One entry without a protocol is two of these. */
	if (p->nports >= (size_t)2 * NP_PORTS_MAX)
		return err_set(e, ERR_INVALID,
		    "ports has more than %d entries: at most %d are allowed",
		    NP_PORTS_MAX, NP_PORTS_MAX);
	v = realloc(p->ports, (p->nports + 1) * sizeof(*v));
	if (v == NULL)
		return err_sys(e, "ports");
	p->ports = v;
	v[p->nports++] = *port;
	return 0;
}

int
np_policy_finish(struct np_policy *p, struct err *e)
{
	if (!p->has_name)
		return 0;
	if (!p->deny_all)
		return err_set(e, ERR_INVALID, "%s", name_without_deny_all);
	return err_set(e, ERR_UNSUPPORTED,
	    "allowOut holds names, and this server has no egress proxy to "
	    "judge them: allow addresses or CIDRs instead");
}
