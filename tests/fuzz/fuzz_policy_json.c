/*
 * Any body: refused with a message that can be sent, or compiled into text
 * that holds nothing of the client's, says what np_judge() says, and does not
 * depend on the order of the lists.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "json/policy_json.h"
#include "nft/emit.h"
#include "pass.h"
#include "pf/emit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static struct np_site site;

/* One line, and JSON can hold it. */
static void
check_refusal(const struct err *e)
{
	json_t *v = json_string(e->msg);

	must(v != NULL && e->msg[0] != '\0');
	for (const char *p = e->msg; *p != '\0'; p++)
		must((unsigned char)*p >= 0x20 && *p != 0x7f);
	must(e->kind == ERR_INVALID || e->kind == ERR_FORBIDDEN ||
	     e->kind == ERR_UNSUPPORTED);
	json_decref(v);
}

/* Letters, digits, and what our own lines consist of. */
static void
check_text(struct buf *b)
{
	static const char mine[] = " \t\n{}<>\"'/.,:;!=#@()-_";
	int depth = 0;

	for (size_t i = 0; i < b->len; i++) {
		char c = b->data[i];

		must((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		     (c >= '0' && c <= '9') || strchr(mine, c) != NULL);
		depth += (c == '{') - (c == '}');
		must(depth >= 0);
	}
	must(depth == 0);
}

static void
check_edges(const struct np_ir *ir, const struct np_reach *reach)
{
	/* np_judge() is linear: some of the rules of a long list will do */
	size_t step = ir->n / 256 + 1;

	for (size_t i = 0; i < ir->n; i += step) {
		const struct np_rule *r = &ir->v[i];
		np_u128 at[4] = { r->to.lo, r->to.hi, r->to.lo - 1,
			r->to.hi + 1 };

		for (int k = 0; k < 4; k++) {
			struct np_flow f = { { at[k] & np_last(r->family),
						 r->family },
				(uint16_t)(r->port_lo + k - 1),
				r->proto == 0 ? 6 : r->proto };

			must(np_reach_has(reach, &f) ==
			     (np_judge(ir, &f)->verdict == NP_PASS));
		}
	}
}

static void
emit(const struct np_reach *reach)
{
	struct err e = { 0 };
	struct nft_conf nc;
	struct nft_slot ns;
	struct pf_conf pc;
	struct pf_slot ps;
	struct buf b;

	buf_init(&b, 64 << 20);
	nft_conf_default(&nc);
	nft_slot_default(7, &ns);
	ns.gen = 0x101;
	ns.reach = reach;
	must(nft_emit(&b, &nc, &ns, 1, &site, &e) == 0);
	check_text(&b);
	buf_reset(&b);
	pf_conf_default(&pc);
	pf_slot_default(7, &ps);
	ps.reach = reach;
	must(pf_emit_anchor(&b, &pc, &ps, &site, &e) == 0);
	check_text(&b);
	buf_fini(&b);
}

/* The same entries, the other way round and once more. */
static void
check_order(const struct np_policy *p, const struct np_ok *ok4)
{
	struct np_policy q = *p;
	struct err e = { 0 };
	struct np_ok ok = { 0 };
	struct np_ir ir = { 0 };
	size_t n = p->allow.n;

	q.allow.v = calloc(2 * n + 1, sizeof(*q.allow.v));
	must(q.allow.v != NULL);
	for (size_t i = 0; i < n; i++) {
		q.allow.v[i] = p->allow.v[n - 1 - i];
		q.allow.v[n + i] = p->allow.v[i];
	}
	q.allow.n = 2 * n;
	must(np_lower(&q, &site, &ir, &e) == 0);
	must(np_flatten(&ir, NP_V4, &ok, &e) == 0);
	must(ok.n == ok4->n);
	for (size_t i = 0; i < ok.n; i++)
		must(ok.v[i].range.lo == ok4->v[i].range.lo &&
		     ok.v[i].range.hi == ok4->v[i].range.hi);
	np_ok_fini(&ok);
	np_ir_fini(&ir);
	free(q.allow.v);
}

static void
compile(const struct np_policy *p)
{
	struct err e = { 0 };
	struct np_ir ir = { 0 };
	struct np_reach reach;
	struct np_gone gone;

	must(np_lower(p, &site, &ir, &e) == 0);
	must(np_reach_make(&ir, true, &reach, &e) == 0);
	check_edges(&ir, &reach);
	check_order(p, &reach.ok4);
	emit(&reach);
	must(np_pass_merge(&ir, &e) >= 0 && np_pass_shadow(&ir, &e) >= 0);
	check_edges(&ir, &reach);
	must(np_revoked(&reach, &reach, &gone, &e) == 0);
	must(gone.gone4.n + gone.gone6.n == 0);
	np_gone_fini(&gone);
	np_reach_fini(&reach);
	np_ir_fini(&ir);
}

static void
one(const json_t *body, bool is_create)
{
	struct np_policy p;
	struct err e = { 0 };

	if (np_policy_from_json(body, is_create, &p, &e) < 0) {
		check_refusal(&e);
		must(p.allow.v == NULL && p.deny.v == NULL);
		return;
	}
	if (np_internet_from_json(body, &p, &e) < 0)
		check_refusal(&e);
	compile(&p);
	np_policy_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = { 0 };
	json_t *body;

	if (site.n == 0)
		must(np_site_builtin(&site, &e) == 0);
	body = json_loadb(
	    (const char *)data, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (body == NULL)
		return 0;
	one(body, false);
	one(body, true);
	json_decref(body);
	return 0;
}
