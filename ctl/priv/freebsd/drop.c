#include "../drop.h"

/* There are no capabilities to drop; Capsicum would take /dev/pf with it. */
int
priv_drop(const unsigned *keep, size_t n, struct err *e)
{
	(void)keep;
	(void)n;
	return err_set(e, ERR_UNSUPPORTED,
	    "dropping privileges is not built yet on FreeBSD");
}
