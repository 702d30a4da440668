#include "cmd/cmd.h"

#include <stdlib.h>

#include "base/own.h"

const char *
cmd_clean(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}

static int
flushed(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_sys(e, "standard output");
	return 0;
}

int
cmd_print_json(json_t *taken, struct err *e)
{
	autofree char *text = NULL;

	if (taken != NULL)
		text = json_dumps(taken, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(taken);
	if (text == NULL)
		return err_set(e, ERR_SYS, "no memory for the answer");
	(void)puts(text);
	return flushed(e);
}

int
cmd_print_text(struct buf *b, struct err *e)
{
	(void)fwrite(b->data, 1, b->len, stdout);
	return flushed(e);
}

const char *
cmd_to_text(const struct np_rule *r, char to[CMD_TO_TEXT])
{
	struct np_port_box box = { r->proto, r->proto, r->port_lo, r->port_hi };
	const struct np_ports one = { &box, 1, 1 };

	if (r->origin.src == NP_SRC_PORTS)
		return np_ports_text(&one, to);
	return np_range_text(r->to, r->family, to);
}

json_t *
cmd_rule_json(const struct np_rule *r, size_t index, const struct np_site *s)
{
	char to[CMD_TO_TEXT], why[NP_ORIGIN_TEXT];

	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "rule",
	    (json_int_t)index + 1, "verdict",
	    r->verdict == NP_PASS ? "pass" : "drop", "source",
	    np_src_text(r->origin.src), "to", cmd_to_text(r, to), "origin",
	    np_origin_text(r->origin, s, why));
}

json_t *
cmd_ok_json(const struct np_ok *ok, const struct np_ports *ports,
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
