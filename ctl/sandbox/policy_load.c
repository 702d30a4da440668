/* policy_load.c - a stored policy, taken apart again. */
#include "ctl/sandbox/policy.h"
#include "json/policy_json.h"

int
sb_policy_load(const struct sb_net *n, struct sb_policy *out, struct err *e)
{
	json_t *o = NULL;
	struct np_policy p;
	int rc;

	if (n->json != NULL) {
		o = json_loads(n->json, 0, NULL);
		if (o == NULL)
			return err_set(e, ERR_SYS, "stored policy: no JSON");
	}
	rc = np_lists_from_json(o, true, &p, e);
	if (rc == 0) {
		p.no_internet = n->internet == SB_NO;
		rc = sb_policy_make(&p, out, e);
		np_policy_fini(&p);
	}
	json_decref(o);
	return rc;
}
