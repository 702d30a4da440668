#include "egress/source.h"

#include <errno.h>
#include <net/bpf.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "egress/pflog.h"

/* bpf(4) gives a buffer at a time, and wants to be asked for all of it. */
static size_t
buffer_bytes(int fd)
{
	u_int n = 0;

	if (ioctl(fd, BIOCGBLEN, &n) < 0 || n == 0 || n > SOURCE_BYTES) {
		errno = EINVAL;
		return 0;
	}
	return n;
}

/* The counter is the descriptor's; it may have run before we had it. */
static void
count(struct source *s, int fd)
{
	struct bpf_stat now;

	if (ioctl(fd, BIOCGSTATS, &now) < 0)
		return;
	if (s->counting)
		s->lost += now.bs_drop - s->next;
	s->counting = true;
	s->next = now.bs_drop;
}

ssize_t
source_read(struct source *s, int fd, uint8_t *to)
{
	size_t want = buffer_bytes(fd);
	ssize_t n;

	if (want == 0)
		return -1;
	n = read(fd, to, want);
	if (n > 0)
		count(s, fd);
	/* Nothing, and not the end: there is none to a device. */
	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	return n;
}

enum denial_rc
source_next(struct source *s, const struct denial_nets *nets,
    struct denial_in *in, struct denial *out)
{
	(void)s;
	return pflog_next(nets, in, out);
}
