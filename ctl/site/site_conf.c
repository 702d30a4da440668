#include "ctl/site/site_conf.h"

int
site_from_conf(const struct conf *cf, struct np_site *out, struct err *e)
{
	np_site_init(out);
	if (np_site_builtin(out, e) < 0)
		goto fail;
	for (size_t i = 0; i < cf->nsite_deny; i++)
		if (np_site_deny(out, &cf->site_deny[i].prefix,
			cf->site_deny[i].line, e) < 0)
			goto fail;
	for (size_t i = 0; i < cf->nsite_allow; i++)
		if (np_site_carve(out, &cf->site_allow[i].prefix, e) < 0)
			goto fail;
	/* Whatever net4 and net6 are, and whatever was carved out. */
	if (np_site_deny(out, &cf->net4, 0, e) < 0 ||
	    (cf->ipv6 && np_site_deny(out, &cf->net6, 0, e) < 0))
		goto fail;
	return 0;
fail:
	np_site_fini(out);
	return -1;
}
