/*
 * json/ports_json.h - `ports`, which E2B does not have: an array of
 *
 *	{"port": 25 or "8000-8100", "protocol": "tcp" or "udp" (absent: both),
 *	 "access": "allow" or "deny", "description": ignored}
 */
#ifndef NP_PORTS_JSON_H
#define NP_PORTS_JSON_H

#include <jansson.h>

#include "policy.h"

/*
 * Adds the entries of list, an array of objects, to p; `at` is the array's
 * place in the body, for errors (ERR_INVALID).
 */
int np_ports_from_json(
    const json_t *list, const char *at, struct np_policy *p, struct err *e);

#endif
