#include "cmd/cmd.h"

#include "base/own.h"

static int
ir_text(struct buf *b, const struct cmd_input *in, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < in->ir.n && rc == 0; i++) {
		const struct np_rule *r = &in->ir.v[i];
		char range[NP_TO_TEXT], why[NP_ORIGIN_TEXT];

		rc = buf_printf(b, "rule %-4zu %s  %-34s %s\n", i + 1,
		    r->verdict == NP_PASS ? "pass" : "drop",
		    np_to_text(r, range),
		    np_origin_text(r->origin, &in->site, why));
	}
	return rc == 0 ? 0 : err_set(e, ERR_TOOBIG, "IR text is too long");
}

/* What passes on some ports alone says which. */
static int
ok_text(struct buf *b, const struct np_ok *ok, const struct np_ports *ports,
    const struct np_site *site, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < ok->n && rc == 0; i++) {
		char range[NP_RANGE_TEXT], why[NP_ORIGIN_TEXT];
		char text[NP_PORTS_TEXT];

		np_ports_text(&ports[ok->v[i].class], text);
		rc = buf_printf(b, "ok%-7d pass  %-34s %s%s%s\n",
		    (int)ok->family,
		    np_range_text(ok->v[i].range, ok->family, range),
		    np_origin_text(ok->v[i].origin, site, why),
		    *text == '\0' ? "" : "; ", text);
	}
	return rc == 0 ? 0 : err_set(e, ERR_TOOBIG, "IR text is too long");
}

static int
emit_ir(struct buf *b, const struct cmd_input *in, const struct np_reach *c,
    struct err *e)
{
	if (ir_text(b, in, e) < 0)
		return -1;
	if (ok_text(b, &c->ok4, c->ports, &in->site, e) < 0)
		return -1;
	return ok_text(b, &c->ok6, c->ports, &in->site, e);
}

void
cmd_nft_conf(const struct cmd_opts *o, struct nft_conf *out)
{
	nft_conf_default(out);
	out->v6 = o->v6;
	out->max_flows = o->max_flows;
	out->max_pps = o->max_pps;
	out->max_egress_mbit = o->max_egress_mbit;
	out->max_ingress_mbit = o->max_ingress_mbit;
}

static int
emit_nft(struct buf *b, const struct cmd_opts *o, const struct cmd_input *in,
    const struct np_reach *c, struct err *e)
{
	struct nft_conf conf;
	struct nft_slot slot;

	cmd_nft_conf(o, &conf);
	nft_slot_default(o->slot, &slot);
	slot.gen = o->gen;
	slot.birth = o->birth;
	slot.reach = c;
	slot.ports = nft_wants_ports(c);
	for (size_t i = NP_BUT; i < NP_NCLASSES; i++)
		slot.ids[i] = nft_class_id(o->gen, (enum np_class)i);
	return nft_emit(b, &conf, &slot, 1, &in->site, e);
}

void
cmd_pf_conf(const struct cmd_opts *o, struct pf_conf *out)
{
	pf_conf_default(out);
	out->v6 = o->v6;
	out->uplink = o->uplink;
	out->freebsd = o->freebsd;
	out->max_flows = o->max_flows;
}

static int
emit_pf(struct buf *b, const struct cmd_opts *o, const struct cmd_input *in,
    const struct np_reach *c, struct err *e)
{
	struct pf_conf conf;
	struct pf_slot slot;

	cmd_pf_conf(o, &conf);
	if (o->format == FMT_PF_ROOT)
		return pf_emit_root(b, &conf, e);
	pf_slot_default(o->slot, &slot);
	slot.reach = o->gen == 0 ? NULL : c;
	return pf_emit_anchor(b, &conf, &slot, &in->site, e);
}

static int
emit(struct buf *b, const struct cmd_opts *o, const struct cmd_input *in,
    const struct np_reach *c, struct err *e)
{
	switch (o->format) {
	case FMT_IR:
		return emit_ir(b, in, c, e);
	case FMT_NFT:
		return emit_nft(b, o, in, c, e);
	case FMT_PF:
	case FMT_PF_ROOT:
		return emit_pf(b, o, in, c, e);
	}
	return err_set(e, ERR_BUG, "format %d", (int)o->format);
}

static json_t *
ir_json(const struct cmd_input *in, const struct np_reach *c)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < in->ir.n; i++)
		(void)json_array_append_new(
		    rules, np_rule_json(&in->ir.v[i], i, &in->site));
	return json_pack("{s:o, s:o, s:o}", "rules", rules, "ok4",
	    np_ok_json(&c->ok4, c->ports, &in->site), "ok6",
	    np_ok_json(&c->ok6, c->ports, &in->site));
}

static int
print(const struct cmd_opts *o, const struct cmd_input *in,
    const struct np_reach *c, struct err *e)
{
	static const char *const names[] = { [FMT_IR] = "ir",
		[FMT_NFT] = "nft",
		[FMT_PF] = "pf",
		[FMT_PF_ROOT] = "pf-root" };
	struct buf b;
	int rc;

	if (o->json && o->format == FMT_IR)
		return cmd_print_json(ir_json(in, c), e);
	buf_init(&b, CMD_TEXT_MAX);
	rc = emit(&b, o, in, c, e);
	if (rc == 0)
		rc = o->json ? cmd_print_json(
				   json_pack("{s:s, s:s}", "format",
				       names[o->format], "text", buf_str(&b)),
				   e)
			     : cmd_print_text(&b, e);
	buf_fini(&b);
	return rc;
}

static int
compile(const struct cmd_opts *o, struct cmd_input *in, struct err *e)
{
	struct np_reach c;
	int rc;

	if (cmd_passes(o, &in->ir, e) < 0 ||
	    np_reach_make(&in->ir, true, &c, e) < 0)
		return -1;
	rc = print(o, in, &c, e);
	np_reach_fini(&c);
	return rc;
}

int
cmd_compile(const struct cmd_opts *o, struct err *e)
{
	struct cmd_input in;
	int rc;

	/* The host's, whatever a sandbox may: no policy is read. */
	if (o->format == FMT_PF_ROOT)
		return print(o, NULL, NULL, e) < 0 ? -1 : EXIT_PASS;
	rc = cmd_input_read(&in, o->policy, o->site, e);
	if (rc == 0)
		rc = compile(o, &in, e);
	cmd_input_fini(&in);
	return rc < 0 ? -1 : EXIT_PASS;
}
