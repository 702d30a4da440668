/*
 * Any text as pf's: refused with its place in it, or evaluated.  And the
 * same bytes as a policy: what we emit for it parses, and says what the
 * compiler says.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pf/apply.h"
#include "pf/emit.h"
#include "pf/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ENTRIES = 24 };

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static const struct pfm_if ifs[] = {
	{ "cop1", "coppice", { 0 }, { 0 } },
	{ "vtnet0", NULL, { 0xcb007105, NP_V4 }, { 0 } },
};

/* Bytes, one after the other; zeros behind the last. */
struct bytes {
	const uint8_t *at, *end;
};

static uint8_t
byte(struct bytes *b)
{
	return b->at < b->end ? *b->at++ : 0;
}

static uint32_t
word(struct bytes *b)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | byte(b);
	return v;
}

/* --- text ----------------------------------------------------------------- */

static void
check_refusal(const struct err *e)
{
	must(e->kind == ERR_INVALID && e->msg[0] != '\0');
	for (const char *p = e->msg; *p != '\0'; p++)
		must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
	must(strchr(e->where, ':') != NULL);
}

static void
send_some(struct pf_model *m)
{
	static const int16_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 1, 47 };
	struct err e = { 0 };

	for (size_t i = 0; i < 8; i++) {
		struct pfm_packet p = { .ifname = ifs[i & 1].name,
			.dir = i & 2 ? PFM_OUT : PFM_IN,
			.src = { 0x0a4e0003, NP_V4 },
			.dst = { i & 4 ? 0x08080808 : 0x0a4e0001, NP_V4 },
			.proto = protos[i & 3],
			.sport = 4000,
			.dport = 53 };
		struct pfm_judged j, again;

		must(pf_model_packet(m, &p, &j, &e) == 0);
		must(!j.keeps || j.pass);
		/* Who has a state is known */
		pf_model_judge(m, &p, &again);
		must(!j.keeps || again.by_state);
	}
}

static void
check_text(const char *text, size_t n, unsigned freebsd)
{
	struct pfm_text root = { "", text, n }, anchor = { "a/b", text, n };
	struct pfm_text none = { "", "", 0 };
	struct err e = { 0 };
	struct pf_model *m;

	if (pf_model_new(&m, freebsd, ifs, countof(ifs), &root, &e) < 0) {
		check_refusal(&e);
		must(m == NULL);
		must(pf_model_new(&m, freebsd, ifs, countof(ifs), &none, &e) ==
		     0);
	}
	if (pf_model_load(m, &anchor, &e) < 0)
		check_refusal(&e);
	send_some(m);
	pf_model_free(m);
}

/* --- policies ------------------------------------------------------------- */

static void
take_entries(struct bytes *b, struct np_policy *p)
{
	uint32_t n = byte(b) % ENTRIES;
	struct err e = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		uint8_t what = byte(b);
		struct np_addr a = { word(b), NP_V4 };
		char text[NP_PREFIX_TEXT + 8], addr[NP_ADDR_TEXT];

		if (what & 1)
			a = (struct np_addr){ (np_u128)a.n << 96 | word(b),
				NP_V6 };
		(void)snprintf(text, sizeof(text), "%s/%u",
		    np_addr_text(a, addr),
		    1U + byte(b) % (a.family == NP_V4 ? 32U : 128U));
		/* Some are refused: that is another fuzzer's */
		if (what & 2)
			(void)np_policy_deny(p, text, i, &e);
		else
			(void)np_policy_allow(p, text, i, &e);
	}
}

static void
take_ports(struct bytes *b, struct np_policy *p)
{
	uint32_t n = byte(b) % ENTRIES;
	struct err e = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		uint32_t v = word(b);
		uint16_t x = (uint16_t)(v | 1), y = (uint16_t)(v >> 16 | 1);
		struct np_port port = { x < y ? x : y, x < y ? y : x,
			v & 2 ? IPPROTO_TCP : IPPROTO_UDP, (v & 4) != 0, i };

		(void)np_policy_port(p, &port, &e);
	}
}

static void
check_flow(
    const struct pf_model *m, const struct np_reach *reach, struct np_flow f)
{
	struct pfm_packet p = { .ifname = "cop1",
		.dir = PFM_IN,
		.src = { 0x0a4e0003, NP_V4 },
		.dst = f.to,
		.proto = f.proto,
		.sport = 4000,
		.dport = f.port };
	struct pfm_judged j;

	if (f.to.n == 0xcb007105 || f.to.n == 0x0a4e0001)
		return; /* the host's own */
	pf_model_judge(m, &p, &j);
	must(j.pass == np_reach_has(reach, &f));
}

static void
check_flows(
    struct bytes *b, const struct pf_model *m, const struct np_reach *reach)
{
	for (size_t i = 0; i < reach->ok4.n; i++) {
		struct np_range r = reach->ok4.v[i].range;
		uint16_t port = (uint16_t)word(b);

		check_flow(m, reach,
		    (struct np_flow){ { r.lo, NP_V4 }, port, IPPROTO_TCP });
		check_flow(m, reach,
		    (struct np_flow){ { (r.hi + 1) & UINT32_MAX, NP_V4 }, port,
			IPPROTO_UDP });
		check_flow(m, reach,
		    (struct np_flow){ { r.hi, NP_V4 }, 0, byte(b) | 32 });
	}
}

static void
emitted_parses(struct bytes *b, const struct np_reach *reach,
    const struct np_site *site, unsigned freebsd)
{
	struct pfm_text root = { "", NULL, 0 },
			anchor = { "coppice/sb1", NULL, 0 };
	struct err e = { 0 };
	struct pf_conf c;
	struct pf_slot s;
	struct pf_model *m;
	struct buf x, y;

	buf_init(&x, 1 << 16);
	buf_init(&y, 64 << 20);
	pf_conf_default(&c);
	c.freebsd = freebsd;
	pf_slot_default(1, &s);
	s.reach = reach;
	must(pf_emit_root(&x, &c, &e) == 0);
	must(pf_emit_anchor(&y, &c, &s, site, &e) == 0);
	root.text = x.data;
	root.len = x.len;
	anchor.text = y.data;
	anchor.len = y.len;
	must(pf_model_new(&m, freebsd, ifs, countof(ifs), &root, &e) == 0);
	must(pf_model_load(m, &anchor, &e) == 0);
	check_flows(b, m, reach);
	pf_model_free(m);
	buf_fini(&x);
	buf_fini(&y);
}

static void
check_policy(struct bytes *b, unsigned freebsd)
{
	struct np_policy p;
	struct np_site site;
	struct np_ir ir = { 0 };
	struct np_reach reach;
	struct err e = { 0 };

	np_policy_init(&p);
	np_site_init(&site);
	take_entries(b, &p);
	take_ports(b, &p);
	must(np_site_builtin(&site, &e) == 0);
	must(np_lower(&p, &site, &ir, &e) == 0);
	must(np_reach_make(&ir, true, &reach, &e) == 0);
	emitted_parses(b, &reach, &site, freebsd);
	np_reach_fini(&reach);
	np_ir_fini(&ir);
	np_site_fini(&site);
	np_policy_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes b = { data, data + n };
	unsigned freebsd = n > 0 && (data[n - 1] & 1) ? 14 : 15;

	/* A first byte that no text starts with: the rest is a policy */
	if (n > 0 && data[0] == 0xff)
		check_policy(&b, freebsd);
	else
		check_text((const char *)data, n, freebsd);
	return 0;
}
