/* sandbox_network.c - PUT /sandboxes/{sandboxID}/network */
#include "ctl/api/api_int.h"
#include "ctl/api/network_body.h"
#include "ctl/api/network_show.h"

#include "json/policy_json.h"

static void
on_applied(void *ctx, const struct sb_answer *a)
{
	struct call *c = ctx;

	if (a->err.kind != ERR_NONE) {
		call_error(c, &a->err, a->code);
		return;
	}
	call_header(c, "Coppice-Generation", "%u", a->gen);
	call_empty(c, 204);
}

/* Whether there is such a sandbox is asked before `rules` are judged. */
static int
features(struct call *c, const char *id, struct err *e)
{
	if (json_object_size(json_object_get(c->body, "rules")) > 0 &&
	    json_object_size(json_object_get(c->body, "egressProxy")) == 0 &&
	    engine_find(c->api->en, id) == NULL)
		return sb_not_found(id, e);
	return np_features_from_json(c->body, false, e);
}

void
put_network(struct call *c)
{
	const char *id = call_sandbox_id(c);
	struct network_body b;
	struct sb_net_call call = { .done = on_applied, .ctx = c };
	struct err e;
	bool dry;

	if (id == NULL)
		return;
	if (query_bool(&c->query, "dryRun", false, &dry, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	if (network_body_take(c->body, false, &b, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	if (features(c, id, &e) < 0) {
		network_body_fini(&b);
		call_error(c, &e, NULL);
		return;
	}
	if (b.warning[0] != '\0')
		call_header(c, "Coppice-Warning", "%s", b.warning);
	if (dry) {
		dry_run(c, id, &b);
		return;
	}
	call.net = b.net;
	call.policy = b.policy;
	engine_network(c->api->en, id, &call);
}
