#include "link/link.h"

static int
none(struct err *e)
{
	return err_set(
	    e, ERR_UNSUPPORTED, "links of FreeBSD epairs are not built yet");
}

int
link_make(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	(void)ends;
	(void)s;
	return none(e);
}

int
link_renew(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	(void)ends;
	(void)s;
	return none(e);
}

int
link_uplinks(bool ipv6, uint32_t *mtu, struct err *e)
{
	(void)ipv6;
	*mtu = 1500;
	return none(e);
}

bool
link_has_ipv6(void)
{
	return true;
}
