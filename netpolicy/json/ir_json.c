#include "json/ir_json.h"

json_t *
np_rule_json(const struct np_rule *r, size_t index, const struct np_site *s)
{
	char to[NP_TO_TEXT], why[NP_ORIGIN_TEXT];

	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "rule",
	    (json_int_t)index + 1, "verdict",
	    r->verdict == NP_PASS ? "pass" : "drop", "source",
	    np_src_text(r->origin.src), "to", np_to_text(r, to), "origin",
	    np_origin_text(r->origin, s, why));
}

json_t *
np_ok_json(const struct np_ok *ok, const struct np_ports *ports,
    const struct np_site *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ok->n; i++) {
		char range[NP_RANGE_TEXT], why[NP_ORIGIN_TEXT];
		char text[NP_PORTS_TEXT];
		json_t *one = json_pack("{s:s, s:s}", "to",
		    np_range_text(ok->v[i].range, ok->family, range), "origin",
		    np_origin_text(ok->v[i].origin, s, why));

		np_ports_text(&ports[ok->v[i].class], text);
		if (*text != '\0')
			(void)json_object_set_new(
			    one, "ports", json_string(text));
		(void)json_array_append_new(list, one);
	}
	return list;
}

json_t *
np_gone_json(const struct np_gone *g, const struct np_site *s)
{
	json_t *v4 = np_ok_json(&g->gone4, g->ports, s);
	json_t *v6 = np_ok_json(&g->gone6, g->ports, s);

	(void)json_array_extend(v4, v6);
	json_decref(v6);
	return v4;
}

json_t *
np_explained_json(const struct np_ir *ir, const struct np_site *s,
    const struct np_explained *x)
{
	json_t *before = json_array(), *notes = json_array();
	char what[NP_TRIED_TEXT], from[NP_ORIGIN_TEXT];

	for (size_t i = 0; i < x->nbefore; i++) {
		const struct np_tried *t = &x->before[i];

		(void)json_array_append_new(before,
		    json_pack("{s:I, s:I, s:s, s:s, s:s}", "first",
			(json_int_t)t->first + 1, "last",
			(json_int_t)t->last + 1, "what",
			np_tried_what(ir, t, what), "origin",
			np_tried_from(ir, s, t, from), "why", np_tried_why(t)));
	}
	for (size_t i = 0; i < x->nnotes; i++)
		(void)json_array_append_new(notes, json_string(x->notes[i]));
	return json_pack("{s:s, s:o, s:o, s:o}", "verdict",
	    x->verdict == NP_PASS ? "pass" : "drop", "by",
	    x->rule == NULL ? json_null() : np_rule_json(x->rule, x->at, s),
	    "before", before, "notes", notes);
}
