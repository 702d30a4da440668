#include "cmd/cmd.h"

int
cmd_pf_verify(const struct cmd_opts *o, struct err *e)
{
	(void)o;
	return err_set(e, ERR_UNSUPPORTED,
	    "verify --pf looks at the pf of the host that it runs on, and this "
	    "is not FreeBSD");
}
