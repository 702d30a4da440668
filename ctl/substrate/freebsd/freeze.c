/*
 * freeze.c - standing still, by SIGSTOP to everything in the jail.
 *
 * There is no freezer here.  A process that the tenant had stopped himself is
 * noted before, in a file that outlives us, and stays stopped afterwards.  The
 * file is there from the first signal until all is undone.
 * What can be told from inside: SIGCONT has a handler, and a tracer sees the
 * SIGSTOP of whom it traces.
 */
#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "link/freebsd/visit.h"
#include "procs.h"

/* As the kernel has them in ki_flag (sys/proc.h). */
enum { STOPPED_SIG = 0x20000, STOPPED_TRACE = 0x40000 };

/* Numbers are used again only after their process is gone. */
struct stopped {
	int64_t pid, sec, usec;
};

struct sweep {
	struct procs procs;
	struct stopped *was;
	size_t nwas;
	bool noting;
};

/* --- who was stopped before ------------------------------------------------
 */

static const char *
file_of(const struct sub_unit *u, char to[32])
{
	(void)snprintf(to, 32, "%u-%u", u->ref.slot, u->ref.incarnation);
	return to;
}

static bool
is_stopped(const struct kinfo_proc *k)
{
	return (k->ki_flag & STOPPED_SIG) != 0;
}

/* 1: it exists, of a freeze that nobody has undone; that one holds. */
static int
open_list(
    const struct substrate *s, const struct sub_unit *u, int *fd, struct err *e)
{
	char name[32];

	*fd = openat(s->stopped, file_of(u, name),
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return 0;
	return errno == EEXIST ? 1 : err_sys(e, "list of stopped processes");
}

static int
write_stopped(int fd, const struct procs *p, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct kinfo_proc *k = &p->v[i];
		const struct stopped x = { k->ki_pid, k->ki_start.tv_sec,
			k->ki_start.tv_usec };

		if (is_stopped(k) && write(fd, &x, sizeof(x)) != sizeof(x))
			return err_sys(e, "list of stopped processes");
	}
	return 0;
}

/* 1: there is none: nobody has frozen it. */
static int
read_stopped(const struct substrate *s, const struct sub_unit *u,
    struct sweep *w, struct err *e)
{
	char name[32];
	autoclose int fd =
	    openat(s->stopped, file_of(u, name), O_RDONLY | O_CLOEXEC);
	off_t len = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (fd < 0)
		return errno == ENOENT
			   ? 1
			   : err_sys(e, "list of stopped processes");
	w->nwas = (size_t)len / sizeof(w->was[0]);
	w->was = calloc(w->nwas + 1, sizeof(w->was[0]));
	if (w->was == NULL || pread(fd, w->was, w->nwas * sizeof(w->was[0]),
				  0) != (ssize_t)(w->nwas * sizeof(w->was[0])))
		return err_sys(e, "list of stopped processes");
	return 0;
}

static bool
was_stopped(const struct sweep *w, const struct kinfo_proc *k)
{
	for (size_t i = 0; i < w->nwas; i++)
		if (w->was[i].pid == k->ki_pid &&
		    w->was[i].sec == k->ki_start.tv_sec &&
		    w->was[i].usec == k->ki_start.tv_usec)
			return true;
	return false;
}

/* --- visitors ---------------------------------------------------------------
 */

static int
stop_all(struct err *e)
{
	if (kill(-1, SIGSTOP) < 0 && errno != ESRCH)
		return err_sys(e, "SIGSTOP");
	return 0;
}

static bool
stands(const struct kinfo_proc *k)
{
	if (k->ki_stat == SZOMB)
		return true;
	return k->ki_stat == SSTOP &&
	       (k->ki_flag & (STOPPED_SIG | STOPPED_TRACE)) != 0;
}

static bool
all_stand(const struct procs *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!stands(&p->v[i]))
			return false;
	return true;
}

static int
visit_stop(void *arg, struct err *e)
{
	struct sweep *w = arg;
	int rc = procs_list(&w->procs, PROCS_EACH, e);

	return rc != 0 ? rc : stop_all(e);
}

/* 2: they stand. */
static int
visit_look(void *arg, struct err *e)
{
	struct sweep *w = arg;
	int rc = procs_list(&w->procs, PROCS_THREADS, e);

	if (rc != 0)
		return rc;
	if (all_stand(&w->procs))
		return 2;
	/* Somebody was born meanwhile, or is on his way. */
	return w->noting ? 0 : stop_all(e);
}

static int
continue_one(const struct kinfo_proc *k, struct err *e)
{
	if (kill(k->ki_pid, SIGCONT) < 0 && errno != ESRCH)
		return err_sys(e, "SIGCONT");
	return 0;
}

/*
 * The kernel, and its list, begin with the youngest: a shell goes on only
 * after the command that it waits for, and never sees it stopped.  All with
 * one call where it can be: those that go on want this processor.
 */
static int
visit_continue(void *arg, struct err *e)
{
	struct sweep *w = arg;
	int rc;

	if (w->nwas == 0) {
		if (kill(-1, SIGCONT) < 0 && errno != ESRCH)
			return err_sys(e, "SIGCONT");
		return 0;
	}
	rc = procs_list(&w->procs, PROCS_EACH, e);
	for (size_t i = 0; rc == 0 && i < w->procs.n; i++)
		if (!was_stopped(w, &w->procs.v[i]))
			rc = continue_one(&w->procs.v[i], e);
	return rc;
}

static int
sweep(struct sweep *w, const struct sub_unit *u,
    int (*visit)(void *arg, struct err *e), struct err *e)
{
	int rc;

	w->procs.jid = u->net;
	do {
		if (procs_grow(&w->procs, e) < 0)
			return -1;
		rc = visit_jail(u->net, -1, visit, w, e);
	} while (rc == 1);
	return rc;
}

/* --- substrate.h ------------------------------------------------------------
 */

static int
freeze(const struct substrate *s, const struct sub_unit *u, struct err *e)
{
	struct sweep w = { .nwas = 0 };
	autoclose int fd = -1;
	int again = open_list(s, u, &fd, e);
	int rc = again < 0 ? -1 : sweep(&w, u, visit_stop, e);

	/* As they were before the signal: the list is the older one. */
	if (rc == 0 && !again)
		rc = write_stopped(fd, &w.procs, e);
	procs_free(&w.procs);
	return rc;
}

static int
thaw(const struct substrate *s, const struct sub_unit *u, struct err *e)
{
	struct sweep w = { .nwas = 0 };
	char name[32];
	int rc = read_stopped(s, u, &w, e);

	if (rc == 0)
		rc = sweep(&w, u, visit_continue, e);
	if (rc == 0)
		(void)unlinkat(s->stopped, file_of(u, name), 0);
	procs_free(&w.procs);
	free(w.was);
	return rc < 0 ? -1 : 0;
}

int
sub_freeze(
    struct substrate *s, const struct sub_unit *u, bool on, struct err *e)
{
	return on ? freeze(s, u, e) : thaw(s, u, e);
}

static int
look(const struct sub_unit *u, bool noting, struct err *e)
{
	struct sweep w = { .noting = noting };
	int rc = sweep(&w, u, visit_look, e);

	procs_free(&w.procs);
	return rc < 0 ? -1 : rc == 2;
}

int
sub_frozen(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	(void)s;
	return look(u, false, e);
}

bool
freeze_adopt(const struct substrate *s, const struct sub_unit *u)
{
	char name[32];
	struct err e;

	if (faccessat(s->stopped, file_of(u, name), F_OK, 0) < 0)
		return false;
	if (look(u, true, &e) == 1)
		return true;
	/* Half frozen, or half thawed. */
	if (thaw(s, u, &e) < 0)
		log_error(
		    "sandbox.thaw slot=%u err=\"%s\"", u->ref.slot, e.msg);
	return false;
}

void
freeze_forget(const struct substrate *s, struct spawn_ref r)
{
	const struct sub_unit u = { .ref = r };
	char name[32];

	(void)unlinkat(s->stopped, file_of(&u, name), 0);
}
