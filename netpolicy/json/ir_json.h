/*
 * json/ir_json.h - rules, ranges and explanations as JSON, for `netpolicy
 * --json` and the API alike.  All return new references; NULL: no memory.
 */
#ifndef NP_IR_JSON_H
#define NP_IR_JSON_H

#include <jansson.h>

#include "explain.h"

/* {"rule", "verdict", "source", "to", "origin"}; rules count from 1. */
json_t *np_rule_json(
    const struct np_rule *r, size_t index, const struct np_site *s);
/* [{"to", "origin", "ports"}]: ports only where not all pass. */
json_t *np_ok_json(const struct np_ok *ok, const struct np_ports *ports,
    const struct np_site *s);
/* The same of both families. */
json_t *np_gone_json(const struct np_gone *g, const struct np_site *s);
/* {"verdict", "by", "before", "notes"} */
json_t *np_explained_json(const struct np_ir *ir, const struct np_site *s,
    const struct np_explained *x);

#endif
