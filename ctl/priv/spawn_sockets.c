/* spawn_sockets.c - which sockets a sandbox has connected, and their end. */
#include "spawn_int.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/memfile.h"

void
op_sockets(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_reply r = { .seq = seq };
	struct spawn_socket *v = NULL;
	const struct slot *sl;
	struct spawn_ref ref;
	int fd = -1;
	struct err e;

	(void)keep;
	memcpy(&ref, body, sizeof(ref));
	sl = slot_of(sp, ref, &e);
	if (sl == NULL ||
	    sub_connected(sp->sub, &sl->unit, &v, &r.nsockets, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_SOCKETS, seq, &e, NULL, 0);
		return;
	}
	if (r.nsockets > 0)
		fd = memfile_make("sockets", v, r.nsockets * sizeof(*v), &e);
	free(v);
	if (r.nsockets > 0 && fd < 0)
		spawn_reply(sp, &sp->apid, SPAWN_SOCKETS, seq, &e, NULL, 0);
	else
		spawn_reply_with(sp, SPAWN_SOCKETS, &r, fd);
}

static int
check_sockets(const struct spawn_socket *v, uint32_t n, struct err *e)
{
	for (uint32_t i = 0; i < n; i++)
		if ((v[i].family != 4 && v[i].family != 6) ||
		    (v[i].proto != IPPROTO_TCP && v[i].proto != IPPROTO_UDP))
			return err_set(e, ERR_INVALID,
			    "socket %u: family %u, protocol %u", i, v[i].family,
			    v[i].proto);
	return 0;
}

void
op_cut(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_socket v[SPAWN_CUT_MAX];
	struct spawn_reply r = { .seq = seq };
	const struct slot *sl;
	struct spawn_cut q;
	struct err e;

	(void)keep;
	/* As many as the message holds: spawn.c has counted. */
	memcpy(&q, body, sizeof(q));
	memcpy(v, (const char *)body + sizeof(q), q.n * sizeof(v[0]));
	sl = slot_of(sp, q.ref, &e);
	if (sl == NULL || check_sockets(v, q.n, &e) < 0 ||
	    sub_cut(sp->sub, &sl->unit, v, q.n, &r.ncut, &e) < 0)
		spawn_reply(sp, &sp->apid, SPAWN_CUT, seq, &e, NULL, 0);
	else
		spawn_reply_with(sp, SPAWN_CUT, &r, -1);
}
