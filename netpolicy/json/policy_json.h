/*
 * json/policy_json.h - E2B's network object -> struct np_policy.
 *
 * Checks are made in E2B's order: types, denyOut, allowOut, ports, names, then
 * the features that are off.  e->msg is what the client gets, byte for byte
 * where E2B has a sentence; e->where is a JSON pointer into the request's body.
 */
#ifndef NP_POLICY_JSON_H
#define NP_POLICY_JSON_H

#include <jansson.h>

#include "policy.h"

/*
 * network: on create the member `network`, on PUT the whole body; NULL and
 * null are {}.  out is initialised here and the caller's to np_policy_fini();
 * on failure it is empty.
 */
int np_policy_from_json(const json_t *network, bool is_create,
    struct np_policy *out, struct err *e);

/*
 * The two halves of it, for a caller with a check of its own between them
 * (PUT: a sandbox that does not exist is 404 before `rules` are 400).
 */
int np_lists_from_json(const json_t *network, bool is_create,
    struct np_policy *out, struct err *e);
int np_features_from_json(const json_t *network, bool is_create, struct err *e);

/*
 * allow_internet_access stands at the top of the body, on create and on PUT
 * alike.  Sets out->no_internet when it is false; absent and null are true.
 * A boolean in the place of a create's network object is the same.
 */
int np_internet_from_json(
    const json_t *body, struct np_policy *out, struct err *e);

#endif
