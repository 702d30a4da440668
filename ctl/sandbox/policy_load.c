/* policy_load.c - a stored policy, taken apart again. */
#include "ctl/sandbox/policy.h"
#include "json/policy_json.h"

int
sb_net_policy(const struct sb_net *n, struct np_policy *out, struct err *e)
{
	json_t *o = NULL;
	int rc;

	if (n->json != NULL) {
		o = json_loads(n->json, 0, NULL);
		if (o == NULL)
			return err_set(e, ERR_SYS, "stored policy: no JSON");
	}
	rc = np_lists_from_json(o, true, out, e);
	if (rc == 0)
		out->no_internet = n->internet == SB_NO;
	json_decref(o);
	return rc;
}

int
sb_net_ir(const struct sb_net *n, const struct np_site *site, struct np_ir *out,
    struct err *e)
{
	struct np_policy p;
	int rc = sb_net_policy(n, &p, e);

	*out = (struct np_ir){ 0 };
	if (rc < 0)
		return -1;
	rc = np_lower(&p, site, out, e);
	np_policy_fini(&p);
	if (rc < 0)
		np_ir_fini(out);
	return rc;
}

int
sb_policy_load(const struct sb_net *n, struct sb_policy *out, struct err *e)
{
	struct np_policy p;
	int rc = sb_net_policy(n, &p, e);

	if (rc == 0) {
		rc = sb_policy_make(&p, out, e);
		np_policy_fini(&p);
	}
	return rc;
}
