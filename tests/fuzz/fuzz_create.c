/*
 * A body either becomes a request that keeps every limit, or is refused with
 * a sentence of the client's kind; and what was taken is taken again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api/create_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
refused(const struct err *e)
{
	if (e->msg[0] == '\0' ||
	    (e->kind != ERR_INVALID && e->kind != ERR_UNSUPPORTED &&
		e->kind != ERR_FORBIDDEN))
		abort();
}

static void
taken(const json_t *o, const struct create_body *b)
{
	struct create_body twice;
	struct sb_policy p;
	struct err e;

	if (b->template_name == NULL || b->timeout_s < -1)
		abort();
	/* What goes to the store can be read back. */
	if (b->network.net.json != NULL) {
		if (sb_policy_load(&b->network.net, &p, &e) < 0 ||
		    p.nallow != b->network.policy.nallow ||
		    p.ndeny != b->network.policy.ndeny)
			abort();
		sb_policy_fini(&p);
	}
	if (create_body_take(o, &twice, &e) < 0 ||
	    twice.timeout_s != b->timeout_s)
		abort();
	create_body_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct create_body b;
	struct err e = { .kind = ERR_NONE };
	json_t *o = schema_parse((const char *)data, n, &e);

	if (o == NULL) {
		refused(&e);
		return 0;
	}
	if (create_body_take(o, &b, &e) == 0) {
		taken(o, &b);
		create_body_fini(&b);
	} else {
		refused(&e);
	}
	json_decref(o);
	return 0;
}
