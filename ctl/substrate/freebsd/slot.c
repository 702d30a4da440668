#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "io/seqpkt.h"
#include "link/freebsd/epair.h"
#include "link/link.h"
#include "procs.h"

/*
 * A helper stands one slot up: the jail that owns the network, and its link.
 * No process waits in it.  What is left of the slot's last tenant, it clears
 * away first: names of interfaces are used again.
 */

enum {
	PROCS_PATIENCE_MS = 5000, /* for killed processes to be gone */
	JAIL_PATIENCE_MS = 1000,  /* for a removed jail to let its link go */
	RETRY_MS = 2,
};

/* What a helper says of the slot that it made. */
struct slot_made {
	int32_t rc;
	int32_t jid;
	struct spawn_ref ref;
	struct err err;
};

/* --- clearing ------------------------------------------------------------- */

static int
await_procs(int jid, struct err *e)
{
	const struct mono start = mono_now();

	while (jid > 0 && procs_left(jid)) {
		if (mono_ms(start, mono_now()) > PROCS_PATIENCE_MS)
			return err_set(
			    e, ERR_BUSY, "jail %d still has processes", jid);
		helper_pause_ms(RETRY_MS);
	}
	return 0;
}

/*
 * A removed jail may be held for a minute by a connection that nobody closed
 * well, and its network with it: the link goes all the same.
 */
static void
await_jail(int jid)
{
	const struct mono start = mono_now();

	while (
	    jails_lingers(jid) && mono_ms(start, mono_now()) < JAIL_PATIENCE_MS)
		helper_pause_ms(RETRY_MS);
}

int
slot_clear(const struct substrate *s, struct spawn_ref r, struct err *e)
{
	struct jails_tenant t = { .jid = 0 };
	char name[JAILS_NAME_MAX];
	struct err ignored;
	int jid;

	jid = jails_find(jails_name(&s->jails, r, name), e);
	/* While there is a jail to say that something is to be cleared. */
	if (jid < 0 || epair_remove_unowned(r.slot, e) < 0)
		return -1;
	if (jid > 0) {
		(void)jails_recall(jid, &t, &ignored);
		if ((t.jid > 0 && jails_remove(t.jid, e) < 0) ||
		    await_procs(t.jid, e) < 0)
			return -1;
		/* While it can still be asked whose they are. */
		limits_forget(s, r, t.id);
		if (jails_remove(jid, e) < 0)
			return -1;
		await_jail(jid);
	}
	return epair_remove(r.slot, name, e);
}

struct others {
	const struct substrate *s;
	struct spawn_ref keep;
	bool failed;
	struct err *e;
};

static void
clear_other(struct others *o, const char *name)
{
	struct spawn_ref r;

	if (jails_ref(&o->s->jails, name, &r) && r.slot == o->keep.slot &&
	    r.incarnation != o->keep.incarnation &&
	    slot_clear(o->s, r, o->e) < 0)
		o->failed = true;
}

static void
other_jail(void *arg, int jid, const char *name)
{
	(void)jid;
	clear_other(arg, name);
}

static void
other_link(void *arg, const char *owner)
{
	clear_other(arg, owner);
}

/* --- making --------------------------------------------------------------- */

static int
make(const struct substrate *s, struct spawn_ref r, int *jid, struct err *e)
{
	struct others o = { .s = s, .keep = r, .e = e };
	struct link_spec spec = { .mtu = s->mtu, .ipv6 = s->ipv6 };
	struct link_ends ends = { .host_ns = -1 };
	struct err ignored;

	if (lock_slot(s, r.slot, e) < 0 || jails_each(other_jail, &o, e) < 0 ||
	    epair_each(other_link, &o, e) < 0 || o.failed)
		return -1;
	*jid = jails_make_slot(&s->jails, r, e);
	if (*jid < 0)
		return -1;
	ends.sandbox_ns = *jid;
	link_addr(
	    r.slot, &s->cf.net4, s->ipv6 ? &s->cf.net6 : NULL, &spec.addr);
	if (link_make(&ends, &spec, e) == 0)
		return 0;
	(void)jails_remove(*jid, &ignored);
	return -1;
}

static _Noreturn void
helper(const struct substrate *s, struct spawn_ref ref, int answer)
{
	struct slot_made made = { .ref = ref };
	struct err e;

	made.rc = make(s, ref, &made.jid, &made.err);
	_exit(
	    seqpkt_send(answer, &made, sizeof(made), NULL, 0, &e) == 0 ? 0 : 1);
}

int
sub_make(struct substrate *s, struct spawn_ref ref, int *answer, pid_t *pid,
    struct err *e)
{
	int pair[2], keep[1];

	if (seqpkt_pair(pair, e) < 0)
		return -1;
	keep[0] = pair[1];
	*pid = helper_fork(keep, countof(keep), e);
	if (*pid == 0)
		helper(s, ref, pair[1]);
	own_close(&pair[1]);
	if (*pid < 0) {
		own_close(&pair[0]);
		return -1;
	}
	*answer = pair[0];
	return 0;
}

int
sub_made(int answer, struct sub_unit *u, struct err *e)
{
	int fds[SEQPKT_FDS_MAX];
	struct slot_made made;
	size_t nfds;
	ssize_t n;

	n = seqpkt_recv(answer, &made, sizeof(made), fds, &nfds, e);
	if (n == 0)
		return err_set(e, ERR_SYS, "the helper ended early");
	if (n < 0)
		return -1;
	for (size_t i = 0; i < nfds; i++)
		own_close(&fds[i]);
	if (n != sizeof(made) || nfds != 0)
		return err_set(e, ERR_BUG, "a helper's answer does not fit");
	if (made.rc < 0) {
		*e = made.err;
		return -1;
	}
	*u = (struct sub_unit){ made.ref, -1, slot_watch_new(e), made.jid, -1 };
	return u->proc < 0 ? -1 : 0;
}

/* --- its end, to be waited for -------------------------------------------- */

int
slot_watch_new(struct err *e)
{
	struct kevent word;
	autoclose int kq = kqueue();

	/* So that a slot without a process can end, too. */
	EV_SET(&word, 0, EVFILT_USER, EV_ADD, 0, 0, NULL);
	if (kq < 0 || fcntl(kq, F_SETFD, FD_CLOEXEC) < 0 ||
	    kevent(kq, &word, 1, NULL, 0, NULL) < 0)
		return err_sys(e, "kqueue");
	return take_fd(&kq);
}

int
slot_watch_pid(int kq, pid_t pid, struct err *e)
{
	struct kevent end;

	EV_SET(&end, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
	if (kevent(kq, &end, 1, NULL, 0, NULL) < 0)
		return err_sys(e, "wait for process %d", (int)pid);
	return 0;
}
