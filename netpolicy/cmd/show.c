/* show.c - what a table that nft printed means. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cmd/table.h"

int
cmd_table_read(const char *path, struct nft_text *out, struct err *e)
{
	struct buf b;
	int rc;

	*out = (struct nft_text){ 0 };
	buf_init(&b, CMD_TEXT_MAX);
	rc = cmd_read_file(path, &b, e);
	if (rc == 0)
		rc = nft_text_parse(b.len == 0 ? "" : b.data, b.len, out, e);
	buf_fini(&b);
	return rc;
}

const char *
cmd_why(const struct nft_shown *s, const struct np_ok_range *r)
{
	return r->origin.item < s->nwhy ? s->why[r->origin.item] : "";
}

static const char *
ports_text(const struct nft_shown *s, const struct np_ok_range *r,
    char to[NP_PORTS_TEXT])
{
	to[0] = '\0';
	if (r->class != NP_WHOLE)
		(void)np_ports_text(&s->reach.ports[r->class], to);
	return to;
}

/* --- as text ---------------------------------------------------------------
 */

static void
print_ranges(const struct nft_shown *s, const struct np_ok *ok)
{
	for (size_t i = 0; i < ok->n; i++) {
		char range[NP_RANGE_TEXT], ports[NP_PORTS_TEXT];

		ports_text(s, &ok->v[i], ports);
		(void)printf("  %-40s %s%s%s\n",
		    np_range_text(ok->v[i].range, ok->family, range),
		    cmd_why(s, &ok->v[i]), *ports == '\0' ? "" : "; ", ports);
	}
}

static void
print_slot(const struct nft_shown *s)
{
	(void)printf("slot %u, ", s->slot);
	if (s->gen == 0)
		(void)printf("closed");
	else
		(void)printf("generation 0x%x", s->gen);
	(void)printf(", birth 0x%x\n", s->birth);
	if (s->odd)
		(void)printf("  sets for ports: of no single policy\n");
	if (s->reach.ok4.n + s->reach.ok6.n == 0)
		(void)printf("  reaches nothing\n");
	print_ranges(s, &s->reach.ok4);
	print_ranges(s, &s->reach.ok6);
	for (size_t i = 0; i < s->chain->nrules; i++) {
		const struct nft_text_rule *r = &s->chain->rules[i];

		if (r->packets > 0)
			(void)printf("  counted %.*s: %llu packets, %llu "
				     "bytes\n",
			    (int)r->comment_len, r->comment,
			    (unsigned long long)r->packets,
			    (unsigned long long)r->bytes);
	}
}

/* --- as JSON ---------------------------------------------------------------
 */

static json_t *
ranges_json(const struct nft_shown *s, const struct np_ok *ok)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ok->n; i++) {
		char range[NP_RANGE_TEXT], ports[NP_PORTS_TEXT];
		json_t *one = json_pack("{s:s, s:s%}", "to",
		    np_range_text(ok->v[i].range, ok->family, range), "origin",
		    cmd_why(s, &ok->v[i]), strlen(cmd_why(s, &ok->v[i])));

		ports_text(s, &ok->v[i], ports);
		if (*ports != '\0')
			(void)json_object_set_new(
			    one, "ports", json_string(ports));
		(void)json_array_append_new(list, one);
	}
	return list;
}

static json_t *
counters_json(const struct nft_shown *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->chain->nrules; i++) {
		const struct nft_text_rule *r = &s->chain->rules[i];

		if (r->comment_len > 0 && strstr(r->text, "counter") != NULL)
			(void)json_array_append_new(
			    list, json_pack("{s:s%, s:I, s:I}", "what",
				      r->comment, r->comment_len, "packets",
				      (json_int_t)r->packets, "bytes",
				      (json_int_t)r->bytes));
	}
	return list;
}

static json_t *
slot_json(const struct nft_shown *s)
{
	return json_pack("{s:I, s:I, s:I, s:b, s:o, s:o, s:o}", "slot",
	    (json_int_t)s->slot, "generation", (json_int_t)s->gen, "birth",
	    (json_int_t)s->birth, "odd", (int)s->odd, "ok4",
	    ranges_json(s, &s->reach.ok4), "ok6", ranges_json(s, &s->reach.ok6),
	    "counters", counters_json(s));
}

/* --- all of it -------------------------------------------------------------
 */

static int
show_slots(const struct cmd_opts *o, const struct nft_text *t,
    const uint32_t *slots, size_t n, json_t *list, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct nft_shown s;

		if (nft_show_slot(t, slots[i], &s, e) < 0)
			return -1;
		if (o->json)
			(void)json_array_append_new(list, slot_json(&s));
		else
			print_slot(&s);
		nft_shown_fini(&s);
	}
	return 0;
}

int
cmd_show(const struct cmd_opts *o, struct err *e)
{
	autofree uint32_t *slots = NULL;
	json_t *list = json_array();
	struct nft_text t;
	size_t n = 0;
	int rc = cmd_table_read(o->nargs > 0 ? o->args[0] : NULL, &t, e);

	if (rc == 0 && !o->has_slot)
		rc = nft_show_slots(&t, &slots, &n, e);
	if (rc == 0)
		rc = o->has_slot ? show_slots(o, &t, &o->slot, 1, list, e)
				 : show_slots(o, &t, slots, n, list, e);
	if (rc == 0 && o->json)
		rc = cmd_print_json(json_incref(list), e);
	json_decref(list);
	nft_text_fini(&t);
	return rc < 0 ? -1 : EXIT_PASS;
}
