#include <errno.h>

#include "proxy/proxy_int.h"

/* There is no splice(2) between sockets and pipes: bytes are copied. */
ssize_t
bulk_fill(struct conn *c, size_t max)
{
	(void)c;
	(void)max;
	errno = ENOSYS;
	return -1;
}

int
bulk_flush(struct conn *c)
{
	(void)c;
	return 0;
}

void
bulk_end(struct conn *c)
{
	(void)c;
}
