/* parse_parts.c - what lines of pf text consist of. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "pf/parse_int.h"

int
pfm_take_word(struct pfm_parser *p, const char *word, struct err *e)
{
	if (!pfm_lex_is(&p->l, word))
		return pfm_lex_bad(&p->l, word, e);
	return pfm_lex_next(&p->l, e);
}

int
pfm_take_punct(struct pfm_parser *p, char c, struct err *e)
{
	char why[] = { c, ' ', 'i', 's', ' ', 'w', 'a', 'n', 't', 'e', 'd',
		'\0' };

	if (!pfm_lex_punct(&p->l, c))
		return pfm_lex_bad(&p->l, why, e);
	return pfm_lex_next(&p->l, e);
}

int
pfm_take_number(
    struct pfm_parser *p, uint32_t max, uint32_t *out, struct err *e)
{
	unsigned long v;

	if (p->l.tok != PFM_TOK_NUMBER || strlen(p->l.text) > 10)
		return pfm_lex_bad(&p->l, "a number is wanted", e);
	v = strtoul(p->l.text, NULL, 10);
	if (v > max)
		return pfm_lex_bad(&p->l, "the number is too large", e);
	*out = (uint32_t)v;
	return pfm_lex_next(&p->l, e);
}

static int
take_text(struct pfm_parser *p, char *to, size_t max, struct err *e)
{
	size_t n = strlen(p->l.text);

	if (n == 0)
		return pfm_lex_bad(&p->l, "a name is wanted", e);
	if (n >= max)
		return pfm_lex_bad(&p->l, "the name is too long", e);
	memcpy(to, p->l.text, n + 1);
	return pfm_lex_next(&p->l, e);
}

int
pfm_take_name(struct pfm_parser *p, char *to, size_t max, struct err *e)
{
	if (p->l.tok != PFM_TOK_WORD)
		return pfm_lex_bad(&p->l, "a name is wanted", e);
	return take_text(p, to, max, e);
}

int
pfm_take_string(struct pfm_parser *p, char *to, size_t max, struct err *e)
{
	if (p->l.tok != PFM_TOK_STRING)
		return pfm_lex_bad(&p->l, "a text in quotes is wanted", e);
	return take_text(p, to, max, e);
}

int
pfm_take_addr(struct pfm_parser *p, struct np_addr *out, struct err *e)
{
	if (p->l.tok != PFM_TOK_WORD || np_addr_parse(p->l.text, out) < 0)
		return pfm_lex_bad(&p->l, "an address is wanted", e);
	return pfm_lex_next(&p->l, e);
}

int
pfm_take_prefix(struct pfm_parser *p, struct np_prefix *out, struct err *e)
{
	struct pfm_lex was = p->l;
	struct np_addr a;
	uint32_t bits, len;

	if (pfm_take_addr(p, &a, e) < 0)
		return -1;
	bits = len = a.family == NP_V4 ? 32 : 128;
	if (pfm_lex_punct(&p->l, '/') &&
	    (pfm_lex_next(&p->l, e) < 0 ||
		pfm_take_number(p, bits, &len, e) < 0))
		return -1;
	*out = (struct np_prefix){ a.n, a.family, (uint8_t)len };
	if (len < bits && (a.n & (np_last(a.family) >> len)) != 0)
		return pfm_lex_bad(&was, "has bits behind its length", e);
	return 0;
}

int
pfm_take_table_name(struct pfm_parser *p, char to[PFM_TABLE], struct err *e)
{
	if (pfm_take_punct(p, '<', e) < 0 ||
	    pfm_take_name(p, to, PFM_TABLE, e) < 0)
		return -1;
	return pfm_take_punct(p, '>', e);
}

int
pfm_take_family(struct pfm_parser *p, enum np_family *out, struct err *e)
{
	if (pfm_lex_is(&p->l, "inet"))
		*out = NP_V4;
	else if (pfm_lex_is(&p->l, "inet6"))
		*out = NP_V6;
	else
		return 0;
	return pfm_lex_next(&p->l, e);
}

/* --- lists ---------------------------------------------------------------- */

typedef int item_fn(
    struct pfm_parser *p, struct pfm_lists *lists, struct err *e);

/* One, or some in braces: commas and new lines between them are blanks. */
static int
take_list(
    struct pfm_parser *p, struct pfm_lists *lists, item_fn *item, struct err *e)
{
	if (!pfm_lex_punct(&p->l, '{'))
		return item(p, lists, e);
	do {
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
	} while (p->l.tok == PFM_TOK_NL);
	do {
		if (item(p, lists, e) < 0)
			return -1;
		while (p->l.tok == PFM_TOK_NL)
			if (pfm_lex_next(&p->l, e) < 0)
				return -1;
		if (pfm_lex_punct(&p->l, ',') && pfm_lex_next(&p->l, e) < 0)
			return -1;
	} while (!pfm_lex_punct(&p->l, '}'));
	return pfm_lex_next(&p->l, e);
}

static int
proto_item(struct pfm_parser *p, struct pfm_lists *lists, struct err *e)
{
	uint32_t v;

	if (pfm_lex_is(&p->l, "tcp"))
		v = IPPROTO_TCP;
	else if (pfm_lex_is(&p->l, "udp"))
		v = IPPROTO_UDP;
	else if (pfm_lex_is(&p->l, "icmp"))
		v = IPPROTO_ICMP;
	else if (pfm_lex_is(&p->l, "icmp6"))
		v = IPPROTO_ICMPV6;
	else if (p->l.tok != PFM_TOK_NUMBER)
		return pfm_lex_bad(
		    &p->l, "tcp, udp, icmp, icmp6 or a number is wanted", e);
	else
		v = (uint32_t)strtoul(p->l.text, NULL, 10);
	if (v < 1 || v > UINT8_MAX)
		return pfm_lex_bad(
		    &p->l, "a protocol is 1 to 255: pf has 0 for any", e);
	if (lists->nprotos == sizeof(lists->protos))
		return pfm_lex_bad(&p->l, "too many protocols", e);
	lists->protos[lists->nprotos++] = (uint8_t)v;
	return pfm_lex_next(&p->l, e);
}

int
pfm_take_protos(struct pfm_parser *p, struct pfm_lists *lists, struct err *e)
{
	if (!pfm_lex_is(&p->l, "proto"))
		return 0;
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	return take_list(p, lists, proto_item, e);
}

static int
type_item(struct pfm_parser *p, struct pfm_lists *lists, struct err *e)
{
	enum np_family f = lists->protos[0] == IPPROTO_ICMP ? NP_V4 : NP_V6;

	if (lists->ntypes == sizeof(lists->types))
		return pfm_lex_bad(&p->l, "too many types", e);
	for (unsigned v = 0; v <= UINT8_MAX; v++) {
		const char *name = pfm_icmp_error(f, (uint8_t)v);

		if (name == NULL || !pfm_lex_is(&p->l, name))
			continue;
		lists->types[lists->ntypes++] = (uint8_t)v;
		return pfm_lex_next(&p->l, e);
	}
	return pfm_lex_bad(&p->l, "an error of ICMP is wanted", e);
}

int
pfm_take_types(struct pfm_parser *p, const struct pfm_rule *r,
    struct pfm_lists *lists, struct err *e)
{
	bool v4 = pfm_lex_is(&p->l, "icmp-type");

	if (lists->ntypes > 0)
		return pfm_lex_bad(&p->l, "said twice", e);
	if (lists->nprotos != 1 || r->af != (v4 ? NP_V4 : NP_V6) ||
	    lists->protos[0] != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return pfm_lex_bad(
		    &p->l, "types are those of icmp or icmp6", e);
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	return take_list(p, lists, type_item, e);
}

static int
port_number(const char *s, size_t n, uint16_t *out)
{
	unsigned long v = 0;

	if (n < 1 || n > 5)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (unsigned long)(s[i] - '0');
	}
	if (v > UINT16_MAX)
		return -1;
	*out = (uint16_t)v;
	return 0;
}

/* 80 or 8000:8080, both ends included */
static int
port_item(struct pfm_parser *p, struct pfm_lists *lists, struct err *e)
{
	const char *s = p->l.text, *colon = strchr(s, ':');
	size_t n = colon == NULL ? strlen(s) : (size_t)(colon - s);
	uint16_t lo, hi;

	if ((p->l.tok != PFM_TOK_NUMBER && p->l.tok != PFM_TOK_WORD) ||
	    port_number(s, n, &lo) < 0)
		return pfm_lex_bad(&p->l, "a port or LOW:HIGH is wanted", e);
	hi = lo;
	if (colon != NULL && port_number(colon + 1, strlen(colon + 1), &hi) < 0)
		return pfm_lex_bad(&p->l, "a port or LOW:HIGH is wanted", e);
	if (lo > hi)
		return pfm_lex_bad(&p->l, "the range ends before it starts", e);
	if (lists->nports == sizeof(lists->ports) / sizeof(lists->ports[0]))
		return pfm_lex_bad(&p->l, "too many ports", e);
	lists->ports[lists->nports].lo = lo;
	lists->ports[lists->nports++].hi = hi;
	return pfm_lex_next(&p->l, e);
}

/* --- from and to ---------------------------------------------------------- */

static int
take_self(struct pfm_parser *p, struct pfm_host *h, struct err *e)
{
	h->kind = PFM_SELF;
	if (pfm_take_punct(p, '(', e) < 0 || pfm_take_word(p, "self", e) < 0)
		return -1;
	return pfm_take_punct(p, ')', e);
}

static int
take_host(struct pfm_parser *p, struct pfm_host *h, struct err *e)
{
	if (pfm_lex_is(&p->l, "any"))
		return pfm_lex_next(&p->l, e);
	if (pfm_lex_punct(&p->l, '!')) {
		h->not = true;
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
	}
	if (pfm_lex_punct(&p->l, '(')) {
		return take_self(p, h, e);
	}
	if (pfm_lex_punct(&p->l, '<')) {
		h->kind = PFM_IN_TABLE;
		return pfm_take_table_name(p, h->table, e);
	}
	h->kind = PFM_PREFIX;
	return pfm_take_prefix(p, &h->prefix, e);
}

/* A rule that names an address is of its family. */
static int
family_of(struct pfm_parser *p, const struct pfm_host *h, struct pfm_rule *r,
    struct err *e)
{
	if (h->kind != PFM_PREFIX)
		return 0;
	if (r->af != 0 && r->af != h->prefix.family)
		return pfm_lex_bad(
		    &p->l, "before it, an address of the other family", e);
	r->af = h->prefix.family;
	return 0;
}

int
pfm_take_from_to(struct pfm_parser *p, struct pfm_rule *r,
    struct pfm_lists *lists, struct err *e)
{
	if (pfm_lex_is(&p->l, "all"))
		return pfm_lex_next(&p->l, e);
	if (pfm_take_word(p, "from", e) < 0 || take_host(p, &r->src, e) < 0 ||
	    family_of(p, &r->src, r, e) < 0 || pfm_take_word(p, "to", e) < 0 ||
	    take_host(p, &r->dst, e) < 0 || family_of(p, &r->dst, r, e) < 0)
		return -1;
	if (!pfm_lex_is(&p->l, "port"))
		return 0;
	for (size_t i = 0; i < lists->nprotos; i++)
		if (lists->protos[i] != IPPROTO_TCP &&
		    lists->protos[i] != IPPROTO_UDP)
			return pfm_lex_bad(
			    &p->l, "ports are those of tcp and udp", e);
	if (lists->nprotos == 0)
		return pfm_lex_bad(&p->l, "ports without a protocol", e);
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	return take_list(p, lists, port_item, e);
}
