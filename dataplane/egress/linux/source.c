#include "egress/source.h"

#include <sys/socket.h>

#include "egress/nflog.h"

ssize_t
source_read(struct source *s, int fd, uint8_t *to)
{
	(void)s;
	return recv(fd, to, SOURCE_BYTES, MSG_DONTWAIT);
}

enum denial_rc
source_next(struct source *s, const struct denial_nets *nets,
    struct denial_in *in, struct denial *out)
{
	uint32_t seq = 0;
	enum denial_rc rc = nflog_next(nets, in, out, &seq);

	if (rc != DENIED_ONE)
		return rc;
	/* What the kernel counted and we never saw found no room here. */
	if (s->counting)
		s->lost += seq - s->next;
	s->counting = true;
	s->next = seq + 1;
	return rc;
}
