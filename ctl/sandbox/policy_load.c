/* policy_load.c - a stored policy, taken apart again. */
#include <jansson.h>

#include "ctl/sandbox/policy.h"

static int
take_list(struct np_policy *p, const json_t *list,
    int (*take)(
	struct np_policy *p, const char *entry, uint32_t item, struct err *e),
    struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (!json_is_string(v) ||
		    take(p, json_string_value(v), (uint32_t)i, e) < 0)
			return -1;
	return 0;
}

int
sb_policy_load(const struct sb_net *n, struct sb_policy *out, struct err *e)
{
	json_t *o = json_loads(n->json != NULL ? n->json : "{}", 0, NULL);
	struct np_policy p;
	int rc;

	np_policy_init(&p);
	p.no_internet = n->internet == SB_NO;
	*e = (struct err){ .kind = ERR_NONE };
	rc = take_list(&p, json_object_get(o, "allowOut"), np_policy_allow, e);
	if (rc == 0)
		rc = take_list(
		    &p, json_object_get(o, "denyOut"), np_policy_deny, e);
	if (rc == 0)
		rc = np_policy_finish(&p, e);
	if (rc == 0)
		rc = sb_policy_make(&p, out, e);
	np_policy_fini(&p);
	json_decref(o);
	return rc;
}
