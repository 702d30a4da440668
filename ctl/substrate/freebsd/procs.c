#include "procs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>

#include "base/own.h"
#include "link/freebsd/visit.h"

enum { FIRST = 128, MOST = 256 * 1024 };

int
procs_grow(struct procs *p, struct err *e)
{
	size_t cap = p->cap == 0 ? FIRST : p->cap * 2;
	void *v;

	if (cap > MOST)
		return err_set(
		    e, ERR_LIMIT, "jail %d: too many processes", p->jid);
	v = realloc(p->v, cap * sizeof(p->v[0]));
	if (v == NULL)
		return err_sys(e, "processes");
	p->v = v;
	p->cap = cap;
	return 0;
}

void
procs_free(struct procs *p)
{
	free(p->v);
	p->v = NULL;
	p->n = p->cap = 0;
}

/* All that the caller may see. */
static int
list(struct procs *p, enum procs_what what)
{
	int mib[] = { CTL_KERN, KERN_PROC,
		what == PROCS_THREADS ? KERN_PROC_ALL : KERN_PROC_PROC };
	size_t len = p->cap * sizeof(p->v[0]);

	p->n = 0;
	if (p->cap == 0)
		return 1;
	if (sysctl(mib, countof(mib), p->v, &len, NULL, 0) < 0)
		return errno == ENOMEM ? 1 : -1;
	p->n = len / sizeof(p->v[0]);
	return 0;
}

int
procs_list(struct procs *p, enum procs_what what, struct err *e)
{
	int rc = list(p, what);
	size_t n = 0;

	if (rc < 0)
		return err_sys(e, "processes of jail %d", p->jid);
	/* Who looks from inside a jail is told 0 for it. */
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].ki_jid != 0 && p->v[i].ki_jid != p->jid)
			p->v[n++] = p->v[i];
	p->n = n;
	return rc;
}

struct asked {
	struct procs *p;
	enum procs_what what;
};

static int
visit(void *arg, struct err *e)
{
	const struct asked *a = arg;

	return procs_list(a->p, a->what, e);
}

int
procs_of(struct procs *p, int jid, enum procs_what what, struct err *e)
{
	struct asked a = { p, what };
	int rc;

	p->jid = jid;
	do {
		if (procs_grow(p, e) < 0)
			return -1;
		rc = visit_jail(jid, -1, visit, &a, e);
	} while (rc == 1);
	return rc;
}

bool
procs_find(int jid, pid_t pid, struct kinfo_proc *out)
{
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, pid };
	size_t len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	return sysctl(mib, countof(mib), out, &len, NULL, 0) == 0 &&
	       len == sizeof(*out) && out->ki_pid == pid &&
	       out->ki_jid == jid && out->ki_stat != SZOMB;
}

bool
procs_left(int jid)
{
	struct procs p = { .n = 0 };
	struct err ignored;
	bool left = false;

	while (list(&p, PROCS_EACH) == 1)
		if (procs_grow(&p, &ignored) < 0)
			break;
	for (size_t i = 0; i < p.n; i++)
		left |= p.v[i].ki_jid == jid;
	procs_free(&p);
	return left;
}
